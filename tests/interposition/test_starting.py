"""Each form in which Python is started gives the program what a plain start gives it, forked or started anew."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from simulator.cli.application import run as ckptrace

_PROGRAM = """
    import json, os, sys, sysconfig
    main = sys.modules["__main__"]
    assert vars(main) is globals()
    seen = {
        "argv": sys.argv,
        "path": [each for each in sys.path if not os.path.exists(os.path.join(each, "ckptrace_zygote.py"))],
        "spec": __spec__ and [__spec__.name, __spec__.origin],
        "file": globals().get("__file__"),
        "package": __package__,
        "loader": type(__loader__).__name__,
        "names": sorted(set(globals()) - {"main"}),
        "optimised": sys.flags.optimize,
    }
    os.makedirs("out", exist_ok=True)
    with open(os.path.join("out", os.environ.get("RANK", "plain")), "w") as file:
        json.dump(seen, file)
    with open(os.path.join("seen", os.environ.get("RANK", "plain")), "w") as file:
        json.dump(seen, file)
"""

_FORMS = [
    ("python", "-m", "save", "--step", "1"),
    ("python", "-u", "-m", "save"),
    ("python", "-um", "save", "-m"),
    ("python", "-Omsave", "word"),
    ("python", "-m", "package.save"),
    ("python", "-X", "utf8", "save.py"),
    ("python", "-Wignore", "-W", "error", "save.py", "-u"),
    ("python", "-c", "import runpy; runpy.run_path('save.py', run_name='__main__')", "word"),
    ("python", "-P", "save.py"),
    ("python", "-I", "save.py"),
    ("python", "package/linked.py", "word"),
    ("env", "python", "-m", "save"),
    ("./save.py", "word"),
]


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The current directory holds the program, as a file, a module, of a package, and behind a link."""
    text = f"#!{sys.executable}\n" + dedent(_PROGRAM)
    for name in ("save.py", "package/save.py"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "package/linked.py").symlink_to("../save.py")
    (tmp_path / "seen").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"])
    return tmp_path


@pytest.mark.parametrize("cold", [False, True], ids=["warm", "cold"])
@pytest.mark.parametrize("words", _FORMS, ids=" ".join)
def test_a_program_finds_what_a_plain_start_gives_it(words: tuple[str, ...], cold: bool, place: Path) -> None:
    subprocess.run(words, check=True)
    (place / "out/plain").unlink()
    (place / "out").rmdir()
    options = ["--watch", "out", "--schedules", "1", *(["--cold"] if cold else [])]
    assert ckptrace(["run", *options, "--", *words]) in (0, 1)
    plain = json.loads((place / "seen/plain").read_text(encoding="utf-8"))
    for rank in "01":
        assert json.loads((place / "seen" / rank).read_text(encoding="utf-8")) == plain


def test_a_built_in_that_is_looked_through_does_not_become_a_method(place: Path) -> None:
    """A class may keep ``os.stat`` or ``time.sleep`` as an attribute, as pathlib did up to CPython 3.10."""
    program = """
        import os, time

        class Kept:
            stat, access, sleep = os.stat, os.access, time.sleep

        assert Kept().access(".", os.R_OK) and Kept().stat(".").st_ino == Kept.stat(".").st_ino
        Kept().sleep(0)
        open(os.path.join("out", os.environ["RANK"]), "w").close()
    """
    (place / "kept.py").write_text(dedent(program), encoding="utf-8")
    for form in ([], ["--cold"]):
        assert ckptrace(["run", "--watch", "out", "--schedules", "1", *form, "--", "python", "kept.py"]) == 0
