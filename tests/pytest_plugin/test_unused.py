"""Where no test is marked, the plugin costs nothing and is in nobody's way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import ckptrace_pytest
from simulator.pytest_plugin import marker
from tests.pytest_plugin.sessions import APART


def session(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A session in a process of its own."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *APART, *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, timeout=120)


def test_a_session_without_race_tests_imports_nothing_of_the_simulator(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it():\n    pass\n")
    (tmp_path / "conftest.py").write_text(
        "import pathlib, sys\ndef pytest_unconfigure():\n    pathlib.Path('loaded').write_text(' '.join(sys.modules))\n"
    )
    result = session(tmp_path)
    assert "1 passed" in result.stdout
    assert "checkpoint race" not in result.stdout
    names = {name.split(".")[0] for name in (tmp_path / "loaded").read_text().split()}
    assert "ckptrace_pytest" in names
    assert names & {"simulator", "strategies", "ckptrace", "msgspec", "greenlet", "torch"} == set()


def test_a_repository_with_a_package_named_simulator_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "simulator").mkdir()
    (tmp_path / "simulator" / "__init__.py").write_text("OWN = 1\n")
    (tmp_path / "test_it.py").write_text("import simulator\ndef test_it():\n    assert simulator.OWN\n")
    assert "1 passed" in session(tmp_path).stdout


def test_a_race_test_in_such_a_repository_is_told_why_it_cannot_run(tmp_path: Path) -> None:
    (tmp_path / "simulator").mkdir()
    (tmp_path / "simulator" / "__init__.py").write_text("")
    (tmp_path / "test_it.py").write_text("import pytest\n@pytest.mark.checkpoint_race\ndef test_it(rank): pass\n")
    result = session(tmp_path)
    assert result.returncode != 0
    assert f"{tmp_path}/simulator/__init__.py stands in for its package 'simulator'" in result.stdout + result.stderr
    assert "INTERNALERROR" not in result.stdout


def test_the_plugin_can_be_turned_off(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(rank):\n    pass\n")
    assert "fixture 'rank' not found" in session(tmp_path, "-p", "no:ckptrace").stdout


def test_both_halves_mean_the_same_marker() -> None:
    assert ckptrace_pytest.MARKER == marker.MARKER


def test_a_session_that_only_lists_its_tests_runs_none(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.checkpoint_race\ndef test_it(rank):\n    raise RuntimeError('was run')\n"
    )
    for option in ("--collect-only", "--setup-plan"):
        result = pytester.runpytest_inprocess(option)
        assert result.ret == 0
        result.stdout.no_fnmatch_line("*was run*")
