"""A trace from elsewhere runs no code unless told; one's own replays as it is, here and in another checkout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator.errors import UsageError
from tests.cli.commands import Command

EVIL = "open('/dev/null').close()\nimport pathlib\npathlib.Path(__file__).with_name('ran').touch()\n"


@pytest.fixture
def recorded(ckptrace: Command, racy: Path) -> Path:
    """A trace that was recorded here."""
    assert ckptrace("explore", "--program", f"{racy}:saver", "--no-confirm").code == 1
    (trace,) = ckptrace.traces()
    return trace


def altered(trace: Path, target: Path, **scenario: Any) -> Path:
    """The trace as somebody else could have written it."""
    table = json.loads(trace.read_text())
    table["scenario"] |= scenario
    target.write_text(json.dumps(table))
    return target


@pytest.fixture
def stranger(ckptrace: Command, recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace that names a file which leaves a mark when it is imported."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "evil.py").write_text(EVIL + (ckptrace.directory / "racy.py").read_text())
    return altered(recorded, elsewhere / "evil.json", program="evil.py:saver")


@pytest.mark.parametrize(
    "words",
    [
        ("replay",),
        ("replay", "--on", "real"),
        ("races",),
        ("ci",),
        ("show",),
        ("show", "--perfetto", "p.json"),
        ("show", "--shiviz", "s.log"),
        ("show", "--perfetto", "p.json", "--rerun"),
        ("show", "--html", "p.html"),
    ],
    ids=" ".join,
)
def test_a_file_of_somebody_else_is_not_imported(ckptrace: Command, stranger: Path, words: tuple[str, ...]) -> None:
    called = ckptrace(words[0], stranger, *words[1:])
    assert not stranger.with_name("ran").exists()
    if words[0] != "show":
        assert called.code == 2
        assert "would run saver of " in called.err + called.out
        assert "--trust" in called.err + called.out


def test_from_python_alike(stranger: Path) -> None:
    for function in (simulator.replay, simulator.confirm):
        with pytest.raises(UsageError, match=r"would run saver of .*trust=True"):
            function(stranger)
    assert not stranger.with_name("ran").exists()
    assert simulator.replay(stranger, trust=True).verdict == "violated"
    assert stranger.with_name("ran").exists()


def test_who_is_told_what_would_run_can_have_it_run(ckptrace: Command, stranger: Path) -> None:
    called = ckptrace("replay", stranger, "--trust")
    assert called.code == 1
    assert f"{stranger}: not recorded here; runs saver of {stranger.parent / 'evil.py'}\n" in called.err


@pytest.mark.parametrize("reference", ["os:system", "shutil:rmtree", "this:saver", "no_such_module:saver"])
def test_modules_of_the_installation_are_no_code_of_the_project(
    ckptrace: Command, recorded: Path, reference: str
) -> None:
    ckptrace.write("pyproject.toml", "")
    for field in ("program", "pick"):
        scenario = {"program": "racy.py:saver", field: reference}
        called = ckptrace("replay", altered(recorded, ckptrace.directory / "t.json", **scenario))
        assert called.code == 2
        assert f"of the module {reference.partition(':')[0]}, which is no code of the project" in called.err
        assert "Zen" not in called.out


def test_code_of_the_project_runs_whoever_recorded_it(ckptrace: Command, recorded: Path) -> None:
    trace = altered(recorded, ckptrace.directory / "t.json", restarts=0, invariants=["no-error"])
    assert ckptrace("replay", trace).code == 2, "this directory is no project"
    ckptrace.write("pyproject.toml", "")
    assert ckptrace("replay", trace).code == 1
    link = ckptrace.directory / "link.py"
    link.symlink_to("/nowhere/outside.py")
    assert ckptrace("replay", altered(recorded, trace, program="link.py:saver")).code == 2


def test_a_registered_strategy_runs_whoever_recorded_it(ckptrace: Command) -> None:
    assert ckptrace("explore", "--strategy", "transformers-4.36.0", "--no-confirm").code == 1
    (trace,) = ckptrace.traces()
    assert ckptrace("replay", altered(trace, ckptrace.directory / "t.json", restarts=0)).code == 1


def test_a_trace_holds_no_directory_of_this_machine_and_replays_in_another_checkout(
    ckptrace: Command, recorded: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert str(ckptrace.directory) not in recorded.read_text()
    other = tmp_path_factory.mktemp("checkout")
    (other / ".git").mkdir()
    kept = other / "scenarios" / "regressions"
    kept.mkdir(parents=True)
    shutil.copy(recorded, kept)
    shutil.copy(ckptrace.directory / "racy.py", other)
    (ckptrace.directory / "racy.py").write_text("raise SystemExit('the old one')")
    monkeypatch.chdir(other)
    monkeypatch.setenv("XDG_STATE_HOME", str(other / "of-somebody-else"))
    called = ckptrace("ci", "--json", "-")
    assert [case["status"] for case in called.json["cases"]] == ["failed"]
    site = called.json["cases"][0]["result"]["failure"]["site"]
    assert site.startswith("racy.py:")


def test_a_changed_source_is_said_and_no_error(ckptrace: Command, recorded: Path, racy: Path) -> None:
    racy.write_text(racy.read_text() + "\n# changed\n")
    called = ckptrace("replay", recorded)
    assert (called.code, called.err) == (
        1,
        f"ckptrace: {recorded}: racy.py has changed since it was recorded\n",
    )


def test_an_old_trace_with_absolute_paths_is_still_read(ckptrace: Command, recorded: Path, racy: Path) -> None:
    table = json.loads(recorded.read_text())
    del table["seal"], table["sources"]
    table["scenario"]["program"] = f"{racy}:saver"
    recorded.write_text(json.dumps(table))
    ckptrace.write("pyproject.toml", "")
    assert ckptrace("replay", recorded).code == 1
