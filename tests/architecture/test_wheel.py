"""The package as a user gets it: built, installed in an environment of its own, used from an empty directory."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.architecture.commands import run
from tests.interposition.kernel import holds


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    return tmp_path


def test_the_wheel_holds_the_sources_their_data_and_the_license(checkout: Path, wheel: Path) -> None:
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "simulator", "strategies"]
    tracked = subprocess.run(listing, cwd=checkout, capture_output=True, text=True, check=True).stdout.split()
    held = set(zipfile.ZipFile(wheel).namelist())
    assert set(filter(lambda name: (checkout / name).is_file(), tracked)) - held == set()
    assert {name.split("/")[0] for name in held if ".dist-info/" not in name} == {
        "ckptrace.py",
        "ckptrace_pytest.py",
        "simulator",
        "strategies",
    }
    assert any(name.endswith("licenses/LICENSE") for name in held)


def test_the_installed_package_is_the_one_that_runs(installed: Path, empty: Path) -> None:
    code = "import simulator, strategies; print(simulator.__file__); print(strategies.__file__)"
    result = run(installed / "python", "-c", code, cwd=empty)
    assert result.returncode == 0, result.stderr
    assert all(Path(line).is_relative_to(installed.parent) for line in result.stdout.split())


def test_the_installed_command_knows_every_strategy(installed: Path, empty: Path, registered: dict[str, str]) -> None:
    result = run(installed / "ckptrace", "strategies", cwd=empty)
    assert result.returncode == 0, result.stderr
    assert [name for name in registered if name not in result.stdout] == []


def test_pytest_finds_the_installed_plugin(installed: Path, empty: Path) -> None:
    (empty / "test_it.py").write_text(
        "import pytest\n@pytest.mark.checkpoint_race(certify=True)\n"
        "def test_it(rank):\n    (rank.root / f'shard{rank.index}').touch()\n    rank.barrier()\n"
    )
    result = run(installed / "python", "-m", "pytest", "-v", "--strict-markers", "-W", "error", cwd=empty)
    assert result.returncode == 0, result.stdout
    assert "certified  test_it.py::test_it  exhaustive: " in result.stdout


@pytest.mark.slow
def test_the_installed_demo_runs_from_an_empty_directory(installed: Path, empty: Path) -> None:
    result = run(installed / "ckptrace", "demo", cwd=empty)
    assert result.returncode == 0, result.stderr


@holds
def test_the_installed_command_names_the_lines_of_a_program(installed: Path, empty: Path) -> None:
    """Not its own, which lie beside the program's packages, nor those of the standard library."""
    (empty / "train.py").write_text("import os\nos.makedirs(os.path.join('out', os.environ['RANK'], 'a'))\n")
    command = ["run", "--watch", "out", "--record", "trace.json", "--", str(installed / "python"), "train.py"]
    result = run(installed / "ckptrace", *command, cwd=empty)
    assert result.returncode == 0, result.stderr
    events = json.loads((empty / "trace.json").read_text())["attempts"][0]["events"]
    assert {event["site"] for event in events} == {"train.py:2"}


def test_the_installed_command_names_the_lines_of_an_installed_strategy(installed: Path, empty: Path) -> None:
    result = run(installed / "ckptrace", "explore", "--strategy", "transformers-4.49-dev-35580", cwd=empty)
    assert result.returncode == 1, result.stderr
    (trace,) = (empty / "ckptrace-out").glob("*.json")
    events = [event for each in json.loads(trace.read_text())["attempts"] for event in each["events"]]
    sites = {event["site"] for event in events if "site" in event}
    assert sites
    assert all(site.startswith("strategies/") for site in sites), sites
