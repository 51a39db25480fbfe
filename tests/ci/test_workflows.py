"""The workflow files to copy: valid for those who run them, and their commands are ones that there are."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from simulator.cli.application import application

WORKFLOWS = Path(__file__).parents[2] / "simulator" / "data" / "project"
GITHUB, GITLAB = WORKFLOWS / "github-actions.yml", WORKFLOWS / "gitlab-ci.yml"
CHECK = [str(Path(sys.executable).parent / "check-jsonschema"), "--builtin-schema"]
OWN = Path(__file__).parents[2] / ".github" / "workflows" / "test.yml"
CHECKS = {
    GITHUB: [*CHECK, "vendor.github-workflows"],
    GITLAB: [*CHECK, "vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
}


def checked(check: list[str], path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*check, str(path)], capture_output=True, text=True)


@pytest.mark.parametrize("path", CHECKS, ids=lambda path: path.stem)
def test_a_workflow_file_follows_the_schema(path: Path) -> None:
    found = checked(CHECKS[path], path)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_action_follows_the_schema() -> None:
    found = checked([*CHECK, "vendor.github-actions"], Path(__file__).parents[2] / "action.yml")
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_project_s_own_workflow_follows_the_schema() -> None:
    found = checked(CHECKS[GITHUB], OWN)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize(
    ("path", "change"),
    [(GITHUB, ("runs-on:", "runs_on:")), (GITLAB, ("timeout: 1 hour", "timeout: [1]"))],
    ids=["github-actions", "gitlab-ci"],
)
def test_the_schema_finds_a_mistake(path: Path, change: tuple[str, str], tmp_path: Path) -> None:
    wrong = tmp_path / path.name
    wrong.write_text(path.read_text().replace(*change))
    assert checked(CHECKS[path], wrong).returncode == 1


@pytest.mark.parametrize("path", CHECKS, ids=lambda path: path.stem)
def test_the_commands_of_a_workflow_file_are_accepted(path: Path) -> None:
    lines = re.findall(r"(?:run: |- )(ckptrace .+)$", path.read_text(), re.MULTILINE)
    assert len(lines) == 2, "one for every machine, one for those with a GPU"
    for line in lines:
        name, *arguments = shlex.split(line)[1:]
        command = typer.main.get_command(application()).commands[name]  # type: ignore[attr-defined]
        assert command.make_context(name, list(arguments)).params["junit"] is not None


@pytest.mark.parametrize("path", CHECKS, ids=lambda path: path.stem)
def test_there_is_a_job_for_a_machine_with_a_gpu(path: Path) -> None:
    assert re.search(r"^ *(tags|runs-on): \[.*\bgpu\]$", path.read_text(), re.MULTILINE)
