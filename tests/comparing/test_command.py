"""ckptrace compare: what it writes, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.commands import Command

SMALL = (
    "compare", "--model", "qwen2.5-vl-3b", "--nodes", "2", "--ranks-per-node", "2", "--situation", "job-death",
    "--schedules", "20", "--schedules-at-scale", "1", "--for", "10s", "--no-confirm",
)  # fmt: skip


@pytest.fixture
def ckptrace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(tmp_path, capsys)


def test_a_comparison_is_printed_and_written_in_every_form(ckptrace: Command) -> None:
    files = ("--html", "report.html", "--markdown", "report.md", "--json", "report.json")
    found = ckptrace(*SMALL, "--strategy", "staged-barrier", "--strategy", "transformers-5.23", *files)
    assert found.code == 1
    assert found.err == ""
    assert "1 violates nothing that was judged: staged-barrier." in found.out
    assert "transformers-5.23" in (ckptrace.directory / "report.html").read_text(encoding="utf-8")
    assert (ckptrace.directory / "report.md").read_text(encoding="utf-8").startswith("## How to save ")
    table = json.loads((ckptrace.directory / "report.json").read_bytes())
    (trainer,) = [each for each in table["strategies"] if each["strategy"] == "transformers-5.23"]
    traces = [Path(finding["trace"]) for finding in trainer["findings"]]
    assert sorted(path.name for path in traces) == sorted(path.name for path in ckptrace.traces())
    assert ckptrace("replay", traces[0]).code == 1


def test_a_strategy_that_violates_nothing_ends_with_exit_code_0(ckptrace: Command) -> None:
    found = ckptrace(*SMALL, "--strategy", "staged-barrier", "--mtbf", "100h", "--json", "-")
    assert found.code == 0
    assert found.json["request"]["mtbf"] == 360_000
    assert found.json["strategies"][0]["verdicts"] == {"job-death": "certified"}


def test_figures_come_from_a_file_and_single_ones_from_options(ckptrace: Command) -> None:
    file = ckptrace.write("costs.toml", '[costs]\nprofile = "nfs"\n[costs.overrides]\nd2h = 52.8\nnic = 25.0\n')
    found = ckptrace(
        *SMALL, "--strategy", "staged-barrier", "--costs", file, "--cost", "nic=12.5", "--failure-rate", "1000",
        "--json", "-",
    ).json  # fmt: skip
    assert found["request"]["costs"] == {"profile": "nfs", "overrides": {"d2h": 52.8, "nic": 12.5}}
    assert found["request"]["mtbf"] == 43_200


def test_a_file_system_brings_its_own_costs_where_there_are_any(ckptrace: Command) -> None:
    for profile, costs in (("local", "local"), ("shared", "lustre")):
        table = ckptrace(*SMALL, "--strategy", "staged-barrier", "--fs", profile, "--json", "-").json
        assert table["request"]["costs"]["profile"] == costs


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--strategy", "nothing"), "unknown strategy 'nothing'"),
        (("--model", "gpt-5"), "unknown model 'gpt-5'"),
        (("--layout", "tar"), "unknown layout 'tar'"),
        (("--fs", "floppy"), "unknown profile 'floppy'"),
        (("--costs", "floppy"), "costs.profile: unknown profile 'floppy'"),
        (("--costs", "missing.toml"), "missing.toml: No such file or directory"),
        (("--cost", "nic=fast"), "--cost: nic must be a number, is 'fast'"),
        (("--cost", "colour=1"), "costs.overrides: unknown key 'colour'"),
        (("--nodes", "0"), "cluster.nodes: must be at least 1, is 0"),
        (("--keep", "0"), "workload.keep: must be at least 1, is 0"),
        (("--situation", "flood"), "unknown situation 'flood'"),
        (("--mtbf", "soon"), "--mtbf: must be a time"),
        (("--failure-rate", "0"), "--failure-rate: must be above 0"),
        (("--schedules", "0"), "--schedules: must be at least 1"),
        (("--html", "/dev/null/report.html"), "/dev/null: Not a directory"),
    ],
)
def test_what_makes_no_sense_is_named_before_anything_is_searched(
    ckptrace: Command, arguments: tuple[str, ...], complaint: str
) -> None:
    called = ckptrace(*SMALL, *arguments)
    assert (called.code, called.out) == (2, "")
    assert complaint in called.err
    assert list(ckptrace.directory.iterdir()) == []
