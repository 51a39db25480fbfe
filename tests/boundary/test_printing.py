"""What a rank prints is kept; what everybody else prints goes where it would go, by the stream's own write."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys

import pytest
from hypothesis import given, strategies as st

from simulator.boundary import installed
from simulator.boundary.printing import MOST_KEPT, Output
from tests.boundary.direct import DirectCaller, running


class Recorder(DirectCaller):
    """A rank whose output is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.output = Output()

    def printed(self, text: str) -> bool:
        self.output.add(text)
        return True


def test_what_a_rank_writes_to_the_standard_streams_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    log = logging.Logger("job")
    # Made before the boundary is there: it keeps the stream itself.
    log.addHandler(logging.StreamHandler())
    rank = Recorder()
    with installed():
        with running(rank):
            print("one", 1)
            print("two", file=sys.stderr, flush=True)
            log.warning("three")
            sys.stdout.writelines(["four\n"])
            sys.stdout.buffer.write(b"five\n")
            assert os.write(2, b"six\n") == 4
            assert sys.stdout.write("seven") == 5
        print("the tool's own")
    assert capfd.readouterr() == ("the tool's own\n", "")
    assert rank.output.text() == "one 1\ntwo\nthree\nfour\nfive\nsix\nseven"


def test_what_nobody_keeps_passes_through(capfd: pytest.CaptureFixture[str]) -> None:
    with installed(), running(DirectCaller()):
        print("shown")
        os.write(2, b"too")
    assert capfd.readouterr() == ("shown\n", "too")


def test_a_stream_that_a_rank_puts_in_place_is_its_own() -> None:
    rank, own = Recorder(), io.StringIO()
    with installed(), running(rank), contextlib.redirect_stdout(own):
        print("mine")
    assert (own.getvalue(), rank.output.text()) == ("mine\n", "")


def test_the_streams_are_as_before_afterwards_also_those_that_came_later(monkeypatch: pytest.MonkeyPatch) -> None:
    later, rank = io.StringIO(), Recorder()
    with installed():
        monkeypatch.setattr(sys, "stdout", later)
        with installed():
            with running(rank):
                print("kept")
            assert "write" in vars(later)
    assert "write" not in vars(later)
    assert (later.getvalue(), rank.output.text()) == ("", "kept\n")


def test_only_text_can_be_written_to_a_text_stream() -> None:
    with installed(), running(Recorder()), pytest.raises(TypeError):
        sys.stdout.write(3)  # type: ignore[arg-type]


@given(st.lists(st.integers(0, MOST_KEPT * 2), max_size=8))
def test_the_end_of_the_output_is_kept_whole(lengths: list[int]) -> None:
    output, whole = Output(), ""
    for number, length in enumerate(lengths):
        text = chr(97 + number) * length
        output.add(text)
        whole += text
    assert output.text() == whole[-MOST_KEPT:]
