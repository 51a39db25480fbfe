"""``ckptrace replay --states``: what a power loss could have left, to look at."""

from __future__ import annotations

from tests.cli.commands import Command

JOB = ("--strategy", "transformers-4.37", "--nodes", "1", "--steps", "1")


def test_every_tree_that_a_power_loss_could_have_left_is_written(ckptrace: Command) -> None:
    ckptrace("explore", *JOB, "--power-losses", "1", "--persistence", "xfs", "--no-confirm", "--out", "out")
    (trace,) = (ckptrace.directory / "out").iterdir()
    called = ckptrace("replay", trace, "--states", "states")
    assert called.code == 1
    directory = ckptrace.directory / "states" / "outage-1"
    lines = (directory / "index.txt").read_text().splitlines()
    assert f"ckptrace: {len(lines)} trees in states\n" in called.err
    assert lines[0] == "0001  lost: nothing"
    (recorded,) = (line for line in lines if line.endswith("(as recorded)"))
    lost = directory / recorded.split()[0] / "checkpoint-1"
    whole = directory / "0001" / "checkpoint-1"
    assert {path.name for path in lost.iterdir()} == {path.name for path in whole.iterdir()}
    assert all((whole / path.name).stat().st_size for path in lost.iterdir())
    assert not all(path.stat().st_size for path in lost.iterdir())
    again = ckptrace("replay", trace, "--states", "states")
    assert (again.code, "states/outage-1: File exists" in again.err) == (2, True)


def test_without_a_power_loss_there_is_nothing_to_write(ckptrace: Command) -> None:
    ckptrace("explore", "--strategy", "transformers-4.36.0", "--no-confirm", "--out", "out")
    (trace,) = (ckptrace.directory / "out").iterdir()
    called = ckptrace("replay", trace, "--states", "states")
    assert (called.code, "no power fails in this trace" in called.err) == (2, True)
