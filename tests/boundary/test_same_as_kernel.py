"""Programs on a real directory, traced by strace, make the system calls that are operations behind the boundary."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from simulator.operations import Seek, paths_of
from tests.boundary import kernel
from tests.boundary.direct import ROOT, DirectCaller, running

pytestmark = pytest.mark.skipif(kernel.why_not() is not None, reason=str(kernel.why_not()))

TREE = """
import os, shutil, tempfile, pathlib
os.makedirs(root + "/c/d/e")
for name in ("f", "d/g", "d/h", "d/e/i"):
    os.close(os.open(f"{root}/c/{name}", os.O_CREAT | os.O_WRONLY))
os.symlink("d", root + "/c/l")
begin("it")
"""

PROGRAMS = {
    "rmtree": "shutil.rmtree(root + '/c')",
    "rmtree of a relative path": "shutil.rmtree('c')",
    "rmtree of nothing": "shutil.rmtree(root + '/x', ignore_errors=True)",
    "makedirs": "os.makedirs(root + '/n/o/p', exist_ok=True); os.makedirs('n/o', exist_ok=True)",
    "move": "shutil.move(root + '/c', root + '/m'); os.replace(root + '/m', root + '/c')",
    "walk": "list(os.walk(root + '/c')); list(os.fwalk(root + '/c'))",
    "pathlib": "p = pathlib.Path(root); list((p / 'c').iterdir()); (p / 'q' / 'r').mkdir(parents=True); p.exists()",
    "removedirs": "os.renames(root + '/c/d/g', root + '/u/v/g')",
    "descriptors": "fd = os.open('c/f', 2); os.write(fd, b'1'); os.ftruncate(fd, 2); os.fsync(fd); os.close(fd)",
}


def behind_boundary(caller: DirectCaller, program: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    names: list[str] = []

    def begin(name: str) -> None:
        names.append(name)
        caller.operations.clear()

    def end() -> None:
        issued = [operation for operation in caller.operations if type(operation) is not Seek]
        found[names[-1]] = [" ".join([type(o).__name__.lower(), *paths_of(o)]) for o in issued]

    with running(caller):
        exec(program, {"root": ROOT, "begin": begin, "end": end})
    return found


def same_order_of_listing(operations: list[str]) -> list[str]:
    """Programs that go through a directory do so in the order of its listing, which differs between file systems."""
    return sorted(operations)


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_the_standard_library_asks_the_same(caller: DirectCaller, tmp_path: Path, name: str) -> None:
    program = f"{TREE}{PROGRAMS[name]}\nend()"
    root = tmp_path / "root"
    root.mkdir()
    real = kernel.operations(program, root, tmp_path / "log")["it"]
    assert real
    assert same_order_of_listing(behind_boundary(caller, program)["it"]) == same_order_of_listing(real)


def test_removing_a_tree_of_one_file_asks_the_same_in_the_same_order(caller: DirectCaller, tmp_path: Path) -> None:
    program = f"{TREE}shutil.rmtree(root + '/c/d/e')\nend()"
    root = tmp_path / "root"
    root.mkdir()
    real = kernel.operations(program, root, tmp_path / "log")["it"]
    assert real == behind_boundary(caller, program)["it"]
    assert real == [
        "stat c/d/e", "open c/d/e", "stat", "readdir", "unlink i", "close", "rmdir c/d/e"
    ]  # fmt: skip


NATIVE = """
import os, torch, safetensors.torch as st
small = {"a": torch.arange(3), "b": torch.ones(7)}
large = {"a": torch.zeros(3000), "b": torch.arange(5), "c": torch.ones(2000)}
larger = {"a": torch.zeros(400_000), "b": torch.arange(5), "c": torch.ones(2000)}
torch.save(small, root + "/warm.pt")
st.save_file(small, root + "/warm.safetensors")
os.mkdir("d")
def part(name, function, *arguments, **options):
    begin(name)
    try:
        function(*arguments, **options)
    except Exception:
        pass
    end()
part("torch.save, small", torch.save, small, root + "/m.pt")
part("torch.save, large", torch.save, large, "m.pt")
part("torch.save over a directory", torch.save, large, "d")
part("save_file, small", st.save_file, small, root + "/m.safetensors")
part("save_file, large", st.save_file, larger, root + "/m.safetensors", metadata={"format": "pt"})
part("save_file over a directory", st.save_file, small, root + "/d")
part("save_file into nothing", st.save_file, small, root + "/x/y")
"""


def test_native_writers_ask_the_same(caller: DirectCaller, tmp_path: Path) -> None:
    """Except for torch's look at the parent directory, which is left out (see ``boundary.torch_adapter``)."""
    root = tmp_path / "root"
    root.mkdir()
    traced = kernel.operations(NATIVE, root, tmp_path / "log")
    real = {name: [line for line in lines if line != "stat "] for name, lines in traced.items()}
    assert min(len(lines) for lines in real.values()) > 0
    assert without_random(behind_boundary(caller, NATIVE)) == without_random(real)


def without_random(parts: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: [re.sub(r"\.tmp\w{6}", ".tmpRANDOM", line) for line in lines] for name, lines in parts.items()}
