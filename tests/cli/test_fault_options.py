"""Faults as options of explore and certify mean what they mean in a scenario file."""

from __future__ import annotations

import pytest

from tests.cli.commands import Command

LOSING = ("--strategy", "transformers-4.37", "--power-losses", "1", "--persistence")


@pytest.mark.parametrize(("persistence", "invariant"), [("ext4", "content"), ("posix-min", "complete")])
def test_power_is_lost_on_the_disk_that_is_named(ckptrace: Command, persistence: str, invariant: str) -> None:
    found = ckptrace("explore", *LOSING, persistence, "--json", "-")
    assert found.code == 1
    assert found.json["invariant"] == invariant
    assert found.json["scenario"]["filesystem"]["persistence"] == persistence


def test_a_save_that_syncs_is_certified_against_a_loss_of_power(ckptrace: Command) -> None:
    sound = ("--strategy", "staged-barrier", "--option", "fsync=true", "--power-losses", "1")
    certified = ckptrace("certify", *sound, "--persistence", "ext4")
    assert certified.code == 0
    assert "1 power loss (ext4)" in " ".join(certified.out.split())


def test_an_error_strikes_the_operations_that_its_rule_names(ckptrace: Command) -> None:
    rule = "write ENOSPC path=optimizer rank=0"
    found = ckptrace("explore", "--strategy", "staged-barrier", "--error", rule, "--json", "-")
    assert found.code == 1
    assert "No space left on device" in found.json["failure"]["error"]
    assert found.json["failure"]["rank"] == 0
    (given,) = found.json["scenario"]["faults"]["errors"]
    assert (given["operation"], given["errno"], given["path"]) == ("write", "ENOSPC", "optimizer")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--power-losses", "-1"), "faults.power_losses"),
        (("--persistence", "ext9"), "'ext9'"),
        (("--best", "7"), "workload.best"),
        (("--error", "write"), "--error"),
        (("--error", "writ ENOSPC"), "'writ'"),
        (("--error", "write ENOSPC rank=9"), "faults.errors: there is no rank 9"),
        (("--error", "write ENOSPC rank=0,-1"), "faults.errors: there is no rank -1"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(ckptrace: Command, arguments: tuple[str, ...], named: str) -> None:
    refused = ckptrace("explore", "--strategy", "staged-barrier", *arguments)
    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert named in refused.err
