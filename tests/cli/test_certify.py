"""ckptrace certify: what it prints, and how it ends, also when it is interrupted."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import simulator.cli.progress
from tests.cli.commands import Command

REMEDY = ("certify", "--strategy", "staged-barrier", "--steps", "1")
COUNTER = """
import os

def counter(rank):
    os.mkdir(rank.root / f"{rank.index}")
    os.listdir(rank.root)
    os.rmdir(rank.root / f"{rank.index}")
"""


@pytest.fixture
def counter(ckptrace: Command) -> tuple[str, ...]:
    """A command on a program that has some classes."""
    ckptrace.write("counter.py", COUNTER)
    return ("certify", "--program", "counter.py:counter", "--nodes", "3")


def test_a_certificate_says_what_it_covers_and_is_exit_code_0(ckptrace: Command) -> None:
    called = ckptrace(*REMEDY)
    assert (called.code, called.err) == (0, "")
    said = " ".join(called.out.split())
    assert said.startswith("certified exhaustive: 1 class of interleavings, ")
    for part in (
        "any number of preemptions",
        "job death at every instant",
        "0 redundant",
        "classes/s",
        "states/s",
        "digest ",
    ):
        assert part in said


def test_a_bound_is_part_of_the_certificate_and_of_the_json(ckptrace: Command, counter: tuple[str, ...]) -> None:
    table = ckptrace(*counter, "--preemptions", "1", "--json", "-").json
    assert (table["verdict"], table["certificate"]["preemptions"]) == ("certified", 1)
    assert "at most 1 preemption a schedule" in table["coverage"]
    assert table["classes"] == table["certificate"]["classes"]
    assert table["schedules"] == table["certificate"]["executions"]


def test_a_violation_is_explained_written_and_exit_code_1(ckptrace: Command) -> None:
    called = ckptrace("certify", "--strategy", "transformers-4.36.1", "--invariants", "no-error", "--no-confirm")
    assert called.code == 1
    assert called.out.startswith("violated  no-error")
    assert len(ckptrace.traces()) == 1


@pytest.mark.parametrize("limit", [("--max-classes", "2"), ("--for", "1ms")])
def test_an_early_stop_is_exit_code_3(ckptrace: Command, counter: tuple[str, ...], limit: tuple[str, str]) -> None:
    called = ckptrace(*counter, *limit)
    assert called.code == 3
    assert called.out.startswith("incomplete  not exhaustive: ")
    assert "before every class was explored" in called.out


def test_a_job_of_one_rank_is_certified_and_says_that_there_was_nothing_to_interleave(ckptrace: Command) -> None:
    called = ckptrace(*REMEDY, "--nodes", "1")
    assert called.code == 0
    assert "1 class: nothing to interleave; " in called.out.replace("\n", " ")


def test_an_interrupted_search_says_how_to_go_on_and_goes_on(
    ckptrace: Command, counter: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ckptrace(*counter, "--json", "-").json

    @contextmanager
    def interrupting(*_: Any) -> Iterator[Any]:
        yield lambda classes, part, spent: signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(simulator.cli.progress, "searching", interrupting)
        stopped = ckptrace(*counter, "--checkpoint", "search.ckpt")
    assert stopped.code == 3
    assert "interrupted" in stopped.out
    assert "search.ckpt keeps how far it came: the same command goes on from there" in stopped.err
    resumed = ckptrace(*counter, "--checkpoint", "search.ckpt", "--json", "-").json
    for field in ("verdict", "classes", "schedules", "blocked", "states", "operations", "digest"):
        assert resumed[field] == whole[field]
    assert not (ckptrace.directory / "search.ckpt").exists()


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--preemptions", "-1"), "preemptions: must be at least 0, is -1"),
        (("--max-classes", "0"), "max_classes: must be at least 1, is 0"),
        (("--workers", "0"), "workers: must be at least 1, is 0"),
        (("--for", "soon"), "--for: must be a time"),
        (("--checkpoint", "counter.py"), "counter.py: not a checkpoint of a search"),
    ],
)
def test_bad_input_is_named_in_one_line(
    ckptrace: Command, counter: tuple[str, ...], option: tuple[str, str], said: str
) -> None:
    called = ckptrace(*counter, *option)
    assert called.code == 2
    assert said in called.err
    assert called.err.count("\n") == 1
