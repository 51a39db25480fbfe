"""The checkout that the tests of this directory look at, and the package as a user gets it."""

from __future__ import annotations

import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest

from tests.architecture.commands import run

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def checkout() -> Path:
    return CHECKOUT


@pytest.fixture(scope="session")
def sources(checkout: Path) -> list[Path]:
    """Every Python file that is shipped."""
    return sorted(path for package in ("simulator", "strategies") for path in (checkout / package).rglob("*.py"))


@pytest.fixture(scope="session")
def test_sources(checkout: Path) -> list[Path]:
    return sorted((checkout / "tests").rglob("*.py"))


@pytest.fixture(scope="session")
def command() -> Path:
    """The command ``ckptrace`` of the environment that runs the tests."""
    return Path(sysconfig.get_path("scripts")) / "ckptrace"


@pytest.fixture(scope="session")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout without asking any registry."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", str(folder)]
    built = run(sys.executable, "-m", "pip", "wheel", *options, str(checkout), cwd=folder)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of a new environment with the wheel in it; its dependencies are those of the running environment.

    A ``.pth`` file lends them. Such files are not read in a directory that was itself lent, so the checkout that is
    installed there in editable mode stays out of sight.
    """
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    options = ["--no-deps", "--no-index", "--quiet", str(wheel)]
    done = run(sys.executable, "-m", "pip", "--python", str(python), "install", *options, cwd=home)
    assert done.returncode == 0, done.stderr
    (site_packages,) = home.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin"


@pytest.fixture(scope="session")
def registered(checkout: Path) -> dict[str, str]:
    """The strategies that pyproject.toml registers: name, and module:class."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    return dict(project["entry-points"]["ckptrace.strategies"])
