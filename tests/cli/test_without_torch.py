"""Where torch is absent the simulator, the command and the plugin work; what needs torch says so in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BLOCKING = """
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

assert "torch" not in sys.modules
sys.meta_path.insert(0, Absent())
"""
SAVING = """
import os

def save(rank):
    if rank.index == 0:
        (rank.root / "checkpoint.tmp").write_bytes(b"model")
        os.rename(rank.root / "checkpoint.tmp", rank.root / "checkpoint")
    rank.barrier()
    rank.saved(1)

def pick(root):
    return root / "checkpoint" if (root / "checkpoint").exists() else None
"""
COMMANDS: list[tuple[list[str], int]] = [
    (["explore", "--program", "saving.py:save", "--pick", "saving.py:pick", "--kills", "1", "--restarts", "1"], 0),
    (["certify", "--program", "saving.py:save", "--pick", "saving.py:pick"], 0),
    (["explore", "--strategy", "transformers-4.36.1", "--schedules", "200"], 1),
    (["explore", "--strategy", "staged-barrier", "--form", "torch"], 2),
    (["explore", "--strategy", "staged-barrier", "--form", "safetensors"], 2),
    (["gpu"], 2),
]
RUNNING = """
import contextlib, io, json, blocking
from ckptrace import main

found = []
for words in json.loads(sys.argv[1]):
    sys.argv = ["ckptrace", *words]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main()
        except SystemExit as ended:
            code = ended.code
    found.append((code or 0, out.getvalue(), err.getvalue()))
assert "torch" not in sys.modules
print(json.dumps(found))
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "blocking.py").write_text(BLOCKING)
    (tmp_path / "saving.py").write_text(SAVING)
    return tmp_path


def test_the_command_works_and_what_needs_torch_says_so_in_one_line(place: Path) -> None:
    words = json.dumps([words for words, _ in COMMANDS])
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, '.')\n{RUNNING}", words],
        cwd=place,
        capture_output=True,
        text=True,
        check=True,
    )
    for (words_of_it, code), (found, out, err) in zip(COMMANDS, json.loads(ran.stdout), strict=True):
        assert found == code, (words_of_it, out, err)
        if code == 2:
            assert (err.count("\n"), "needs torch, which is not installed" in err) == (1, True)
            assert "https://download.pytorch.org/whl/cpu" in err


def test_the_plugin_works(place: Path) -> None:
    (place / "test_saving.py").write_text(
        "import pytest\nfrom saving import save\n\n"
        "@pytest.mark.checkpoint_race(certify=True)\ndef test_save(rank):\n    save(rank)\n"
    )
    words = ["-p", "blocking", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-q"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=place, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
