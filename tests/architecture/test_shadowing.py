"""A repository with a package of its own named ``simulator`` or ``strategies`` is told so in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.architecture.commands import run

NAMES = pytest.mark.parametrize("name", ["simulator", "strategies"])
FORMS = pytest.mark.parametrize("form", ["{}/__init__.py", "{}.py"], ids=["package", "module"])


def repository(directory: Path, form: str, name: str) -> Path:
    """A foreign module of that name, which must not even be imported."""
    foreign = directory / form.format(name)
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_text("raise RuntimeError('imported')\n")
    return foreign


@NAMES
@FORMS
def test_a_package_that_comes_first_is_named_in_one_line(command: Path, tmp_path: Path, form: str, name: str) -> None:
    foreign = repository(tmp_path, form, name)
    result = run(command, "--help", cwd=tmp_path, PYTHONPATH=".")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert str(foreign) in result.stderr
    assert result.stdout == ""


@NAMES
def test_so_is_one_in_the_directory_in_which_python_runs_the_module(tmp_path: Path, name: str) -> None:
    foreign = repository(tmp_path, "{}/__init__.py", name)
    result = run(sys.executable, "-m", "ckptrace", "--help", cwd=tmp_path)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert str(foreign) in result.stderr


@NAMES
def test_a_package_that_only_lies_in_the_current_directory_does_no_harm(
    command: Path, tmp_path: Path, name: str
) -> None:
    repository(tmp_path, "{}/__init__.py", name)
    assert run(command, "--help", cwd=tmp_path).returncode == 0


@NAMES
def test_a_directory_of_that_name_without_python_in_it_does_no_harm(command: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert run(command, "--help", cwd=tmp_path, PYTHONPATH=".").returncode == 0
