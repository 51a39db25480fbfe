"""Modules that are loaded while the boundary is in place are patched too, by whomever they are loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from simulator.boundary import installed
from simulator.boundary.imports import LateModules
from tests.boundary.direct import ROOT, DirectCaller, running

CHECKOUT = Path(__file__).parents[2]

LATE = """
import sys
from simulator.boundary import installed
from tests.boundary.direct import ROOT, DirectCaller, running
assert "torch" not in sys.modules and "numpy" not in sys.modules
loader = None
with installed():
    with running(DirectCaller()) as rank:
        import torch, safetensors.torch, numpy, multiprocessing.process
        torch.save({"a": 1}, ROOT + "/m.pt")
        safetensors.torch.save_file({"a": torch.ones(2)}, ROOT + "/m.safetensors")
        numpy.save(ROOT + "/a.npy", numpy.ones(2))
        assert torch.load(ROOT + "/m.pt") == {"a": 1}
        assert safetensors.torch.load_file(ROOT + "/m.safetensors")["a"].tolist() == [1, 1]
        assert numpy.load(ROOT + "/a.npy").tolist() == [1, 1]
    assert rank.escapes == [], rank.escapes
    kinds = {type(operation).__name__ for operation in rank.operations}
    assert kinds >= {"Open", "Write", "Read", "Seek", "Close", "Truncate", "Rename", "Stat"}, kinds
    assert type(torch.__spec__.loader).__name__ == "SourceFileLoader"
    assert type(torch._C.__spec__.loader).__name__ == "ExtensionFileLoader"
    replaced = torch.load, torch._C.PyTorchFileWriter, safetensors.safe_open, safetensors.torch.serialize_file
assert [hasattr(item, "__wrapped__") for item in replaced] == [True] * 4
now = torch.load, torch._C.PyTorchFileWriter, safetensors.safe_open, safetensors.torch.serialize_file
assert [hasattr(item, "__wrapped__") for item in now] == [False] * 4, now
"""


def test_torch_loaded_by_a_rank_is_adapted_and_put_back() -> None:
    done = subprocess.run([sys.executable, "-c", LATE], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_installed_packages_are_executed_apart_from_the_rank_and_own_modules_in_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "import os, sys\nhere, name = os.getcwd(), os.getpid()\n"
    package = tmp_path / "site-packages" / "package_of_a_test"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"{body}import own_too_of_a_test\nos.system('true')\n")
    (tmp_path / "own_of_a_test.py").write_text(body)
    (tmp_path / "own_too_of_a_test.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    monkeypatch.syspath_prepend(tmp_path)
    with installed(), running(DirectCaller()) as rank:
        own_of_a_test = import_module("own_of_a_test")
        package_of_a_test = import_module("package_of_a_test")
        assert (own_of_a_test.here, own_of_a_test.name) == (ROOT, rank.pid)
        assert os.getcwd() == ROOT
    assert (package_of_a_test.here, package_of_a_test.name) == (os.getcwd(), os.getpid())
    assert rank.escapes == []
    for name in ("own_of_a_test", "own_too_of_a_test", "package_of_a_test"):
        del sys.modules[name]


def test_a_module_is_reported_once_it_has_been_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "late_one.py").write_text("value = 1\n")
    (tmp_path / "late_broken.py").write_text("raise ValueError('at import')\n")
    monkeypatch.syspath_prepend(tmp_path)
    reported: list[int] = []
    finder = LateModules(["late_one", "late_broken", "late_absent"], lambda module: reported.append(module.value))
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    assert import_module("late_one").value == 1
    assert reported == [1]
    with pytest.raises(ValueError, match="at import"):
        import_module("late_broken")
    with pytest.raises(ModuleNotFoundError):
        import_module("late_absent")
    assert finder.find_spec("json") is None
    del sys.modules["late_one"]
