"""Standard output that is closed, full, or read by nobody: no internal error, and nothing that was found is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RACE = ["explore", "--strategy", "transformers-4.38", "--schedules", "50", "--no-confirm"]


def shell(directory: Path, arguments: list[str], tail: str) -> subprocess.CompletedProcess[str]:
    """The real command line, with what comes after it in the shell."""
    words = " ".join(
        [sys.executable, "-c", "'import sys; from simulator.cli import main; sys.exit(main())'", *arguments]
    )
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {words} {tail}"],
        cwd=directory, text=True, capture_output=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))


def traces(directory: Path) -> list[str]:
    return [str(path.relative_to(directory)) for path in (directory / "ckptrace-out").glob("*.json")]


@pytest.mark.parametrize("more", [[], ["--json", "-"], ["--json", "result.json"]], ids=["text", "json", "file"])
def test_a_failure_is_kept_and_said_where_though_standard_output_is_full(tmp_path: Path, more: list[str]) -> None:
    ended = shell(tmp_path, [*RACE, *more], "> /dev/full")
    (trace,) = traces(tmp_path)
    said = f"standard output: No space left on device (verdict: violated; the failure's trace is {trace})"
    assert (ended.returncode, ended.stderr) == (3, f"ckptrace: {said}\n")
    assert (tmp_path / "result.json").exists() is (more[-1:] == ["result.json"])


def test_a_failure_is_found_as_ever_where_nobody_reads_what_is_said(tmp_path: Path) -> None:
    ended = shell(tmp_path, RACE, "| true")
    assert (ended.returncode, ended.stderr) == (1, "")
    assert len(traces(tmp_path)) == 1


def test_a_failure_is_found_as_ever_without_standard_output(tmp_path: Path) -> None:
    ended = shell(tmp_path, RACE, ">&-")
    assert (ended.returncode, ended.stderr) == (1, "")
    assert len(traces(tmp_path)) == 1
    assert shell(tmp_path, RACE, "2>&-").returncode == 1


@pytest.mark.parametrize(
    ("tail", "said"), [("> /dev/full", "standard output: No space left on device"), ("| true", "")]
)
def test_a_list_that_cannot_be_printed_is_no_internal_error(tmp_path: Path, tail: str, said: str) -> None:
    ended = shell(tmp_path, ["strategies"], tail)
    assert ended.stderr == (f"ckptrace: {said}\n" if said else "")
    assert ended.returncode in ({3} if said else {0, 3})


NAME = "n" * 300


@pytest.mark.parametrize(
    "arguments",
    [
        [*RACE, "--out", NAME], [*RACE, "--out", f"{NAME}/x"], [*RACE, "--json", NAME], ["show", NAME],
        ["explore", f"{NAME}.toml"],
    ],
    ids=["out", "below", "json", "trace", "scenario"],
)  # fmt: skip
def test_a_name_that_is_too_long_is_named(tmp_path: Path, arguments: list[str]) -> None:
    ended = shell(tmp_path, arguments, "")
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"ckptrace: {NAME}")
    assert ended.stderr.endswith(": File name too long\n")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_nested_too_deeply_is_named(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "deep.toml").write_text("a = " + "[" * 100_000)
    for arguments in (["show", "deep.json"], ["replay", "deep.json"], ["explore", "deep.toml"]):
        ended = shell(tmp_path, arguments, "")
        assert ended.returncode == 2
        assert ended.stderr.startswith(f"ckptrace: {arguments[1]}: ")
        assert "nested too deeply" in ended.stderr
        assert ended.stderr.count("\n") == 1
