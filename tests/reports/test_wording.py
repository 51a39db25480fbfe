"""Operations in words: the path behind each descriptor, the outcome, and a line that fits."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, strategies as st

from simulator.narration import Narrator, Phrase, shortened
from simulator.trace import Event


def event(kind: str, *arguments: object, result: object = None, error: str | None = None, rank: int = 0) -> Event:
    return Event(rank, rank, 0, kind, list(arguments), result, error)


def test_a_descriptor_is_told_as_the_path_that_it_was_opened_with() -> None:
    narrator = Narrator()
    narrator.tell(event("open", "checkpoint-1", os.O_RDONLY | os.O_DIRECTORY, 0o777, None, result="fd3"))
    assert narrator.tell(event("unlink", "model.pt", "fd3")).paths == ("checkpoint-1/model.pt",)
    assert narrator.tell(event("readdir", "fd3", result=[])).paths == ("checkpoint-1",)
    assert narrator.tell(event("rename", "a", "b", "fd3", None)).paths == ("checkpoint-1/a", "b")


def test_each_rank_has_descriptors_of_its_own() -> None:
    narrator = Narrator()
    narrator.tell(event("open", "ours", os.O_RDONLY, 0o777, None, result="fd3", rank=0))
    narrator.tell(event("open", "theirs", os.O_RDONLY, 0o777, None, result="fd3", rank=1))
    assert narrator.tell(event("close", "fd3", rank=0)).paths == ("ours",)
    assert narrator.tell(event("close", "fd3", rank=1)).paths == ("theirs",)


def test_a_descriptor_that_nobody_opened_is_named_as_it_is() -> None:
    assert Narrator().tell(event("fsync", "fd9", False)).paths == ("fd9",)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (os.O_RDONLY, "read"),
        (os.O_WRONLY, "write"),
        (os.O_WRONLY | os.O_CREAT | os.O_TRUNC, "create or empty"),
        (os.O_WRONLY | os.O_CREAT | os.O_EXCL, "create, must be new"),
        (os.O_WRONLY | os.O_APPEND, "append"),
        (os.O_RDONLY | os.O_DIRECTORY, "directory"),
    ],
)
def test_what_a_file_is_opened_for_is_said(flags: int, said: str) -> None:
    assert Narrator().tell(event("open", "f", flags, 0o666, None)).detail == said


def test_a_sleep_of_unknown_length_is_not_said_to_last_no_time() -> None:
    assert [Narrator().tell(event("sleep", seconds)).detail for seconds in (0.01, 0.0)] == ["0.01 s", ""]


def test_in_running_text_an_operation_tells_how_it_went() -> None:
    narrator = Narrator()
    done = event("open", "checkpoint-1/DONE", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644, None, result="fd3")
    assert str(narrator.tell(done)) == "open checkpoint-1/DONE create or empty"
    assert str(narrator.tell(event("rename", "a", "b", error="ENOENT"))) == "rename a → b failing with ENOENT"
    assert str(narrator.tell(event("readdir", "fd3", result=[["x", 8]]))) == "readdir checkpoint-1/DONE -> x"


def test_a_refusal_is_its_errno_and_is_told_from_a_result_that_looks_like_one() -> None:
    refused = Narrator().tell(event("rename", "a", "b", None, None, error="ENOTEMPTY"))
    listed = Narrator().tell(event("readdir", "", result=[["ENOTEMPTY", 0]]))
    assert (refused.outcome, refused.refused) == ("ENOTEMPTY", True)
    assert (listed.outcome, listed.refused) == ("ENOTEMPTY", False)


def test_every_kind_of_operation_has_words_of_its_own() -> None:
    """A new operation of the vocabulary must not come as a bare list of arguments."""
    from simulator import operations
    from simulator.operations import LOCAL, Operation

    kinds = {
        value.__name__.lower()
        for value in vars(operations).values()
        if isinstance(value, type) and issubclass(value, Operation) and value is not Operation and value not in LOCAL
    }
    assert kinds
    assert {kind for kind in kinds if not hasattr(Narrator, f"_{kind}")} == set()


def test_a_name_with_a_line_break_stays_on_its_line() -> None:
    assert Narrator().tell(event("mkdir", "a\n\x1b[31mb", 0o777, None)).paths == ("a\\n\\x1b[31mb",)


@given(st.text(), st.integers(0, 60))
def test_a_shortened_path_fits_and_a_short_one_is_left_alone(path: str, width: int) -> None:
    assert len(shortened(path, width)) <= width
    assert len(path) > width or shortened(path, width) == path


@given(st.lists(st.text("abcdef/-", min_size=1, max_size=80), min_size=1, max_size=2), st.integers(30, 120))
def test_a_line_fits_the_width_that_it_is_given(paths: list[str], width: int) -> None:
    assert len(Phrase("rename", tuple(paths), "some detail").line(width)) <= width
