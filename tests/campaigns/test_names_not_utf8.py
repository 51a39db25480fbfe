"""Names that are not UTF-8 come as lone surrogates, which no JSON holds: a trace file must give back what happened."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import simulator
from simulator import trace as traces
from simulator.rank import Rank


def names_that_are_not_utf8(rank: Rank) -> None:
    """Made, linked to, listed and looked up; then one rank fails."""
    name = os.path.join(os.fsencode(rank.root), b"\xff")
    if not os.path.exists(name):
        os.mkdir(name)
    link = os.path.join(os.fsencode(rank.root), b"link%d" % rank.index)
    os.symlink(b"\xff", link)
    os.readlink(link)
    os.listdir(rank.root)
    os.mkdir(rank.root / "x")


@pytest.mark.parametrize("on", ["model", "real"])
def test_names_that_are_not_utf8_come_back_from_a_file_as_they_were_recorded(on: str, tmp_path: Path) -> None:
    failure = simulator.explore(names_that_are_not_utf8).failure
    assert failure is not None
    traces.save(failure.trace, tmp_path / "failure.json")
    result = simulator.replay(tmp_path / "failure.json", on=on, programs=names_that_are_not_utf8)
    assert (result.verdict, result.digest, result.reason) == ("violated", failure.trace.digest, None)
