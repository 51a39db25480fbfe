"""A recorded command is started only by whoever recorded it, kept it in a project of theirs, or says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.commands import Command
from tests.cli.test_trust import altered
from tests.interposition.kernel import holds


@pytest.fixture
def ckptrace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """The command, in an empty directory; ranks need real descriptors."""
    monkeypatch.chdir(tmp_path)
    return Command(tmp_path, capfd)


SAVES = """
import os, pathlib
pathlib.Path(__file__).with_name("ran").touch()
rank = os.environ["RANK"]
os.makedirs("out/tmp", exist_ok=True)
if not os.path.exists("out/final"):
    try:
        os.rename("out/tmp", "out/final")
    except OSError:
        pass
"""


@pytest.fixture
def of_a_command(ckptrace: Command) -> Path:
    """A trace of a program that was recorded here."""
    ckptrace.write("save.py", SAVES)
    called = ckptrace("run", "--nodes", "2", "--watch", "out", "--record", "own.json", "--", "python", "save.py")
    assert called.code == 0, called.err
    (ckptrace.directory / "ran").unlink()
    return ckptrace.directory / "own.json"


@holds
def test_a_command_of_ones_own_is_run_and_none_of_somebody_else(ckptrace: Command, of_a_command: Path) -> None:
    assert str(ckptrace.directory) not in of_a_command.read_text()
    ran = ckptrace.directory / "ran"
    assert ckptrace("replay", of_a_command).code == 0
    assert ran.exists()
    ran.unlink()
    ckptrace.write("pyproject.toml", "")
    table = json.loads(of_a_command.read_text())
    other = altered(
        of_a_command, ckptrace.directory / "t.json", command=table["scenario"]["command"] | {"silence": 9.0}
    )
    called = ckptrace("replay", other)
    assert (called.code, called.err.count("\n")) == (2, 1)
    assert f"would run the command 'python save.py' in {ckptrace.directory}: --trust, or the command" in called.err
    for words in (("races",), ("show",), ("show", "--shiviz", "s.log"), ("show", "--perfetto", "p.json")):
        assert ckptrace(words[0], other, *words[1:]).code == 0
    assert not ran.exists()
    assert ckptrace("replay", other, "--", "python", "save.py").code == 0
    assert ckptrace("replay", other, "--trust").code == 0


@holds
@pytest.mark.parametrize(
    ("words", "runs"),
    [
        (["python", "save.py"], True),
        (["python", "-u", "save.py"], True),
        (["python", "-m", "subprocess"], False),
        (["python", "-c", "import save"], False),
        (["python", "-W", "error", "save.py"], False),
        (["sh", "-c", "touch ran"], False),
        (["touch", "ran"], False),
        (["./python", "save.py"], False),
    ],
)
def test_a_kept_trace_of_a_project_may_run_its_python_files(
    ckptrace: Command, of_a_command: Path, words: list[str], runs: bool
) -> None:
    ckptrace.write("pyproject.toml", "")
    script = ckptrace.write("python", "#!/bin/sh\ntouch ran\n")
    script.chmod(0o755)
    table = json.loads(of_a_command.read_text())
    choice = table["scenario"]["command"] | {"words": words}
    called = ckptrace("ci", altered(of_a_command, ckptrace.directory / "t.json", command=choice), "--json", "-")
    assert called.json["cases"][0]["status"] == ("passed" if runs else "error")
    assert (ckptrace.directory / "ran").exists() == runs


@holds
def test_a_recorded_directory_cannot_be_led_out_of_the_project(ckptrace: Command, of_a_command: Path) -> None:
    (ckptrace.directory / "inner").mkdir()
    (ckptrace.directory / "inner" / "pyproject.toml").touch()
    table = json.loads(of_a_command.read_text())
    for change in ({"directory": ".."}, {"watch": "../out"}, {"directory": str(ckptrace.directory)}):
        choice = table["scenario"]["command"] | change
        trace = altered(of_a_command, ckptrace.directory / "inner" / "t.json", command=choice)
        assert ckptrace("ci", trace, "--json", "-").json["cases"][0]["status"] == "error"
    assert not (ckptrace.directory / "ran").exists()
