"""What a program asks of the kernel, seen by strace, in the words of the boundary's operations."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

_BEGIN, _END = "/ckptrace-begins/", "/ckptrace-ends"
_PRELUDE = f"""
import ctypes, os, sys
ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1))  # PR_SET_PTRACER_ANY: strace is no child of this process
armed = False
def begin(name):
    global armed
    if not armed:
        armed = True
        print("ready", flush=True)
        sys.stdin.readline()
    os.access({_BEGIN!r} + name, 0)
def end():
    os.access({_END!r}, 0)
"""
_CALL = re.compile(r"^(\w+)\((.*)\) += (-?\d+|\?)(?:<([^>]*)>)?")
_AT = re.compile(r'^(AT_FDCWD|\d+)(?:<([^>]*)>)?, "([^"]*)"(.*)$')
_FD = re.compile(r"^(\d+)")
_QUOTED = re.compile(r'"([^"]*)"')


@cache
def why_not() -> str | None:
    """Why no program can be traced here, or None."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"strace cannot trace here: {tried.stderr.strip()}"


def operations(program: str, directory: Path, log: Path) -> dict[str, list[str]]:
    """Run ``program`` with ``root`` set to the directory; gives its operations as ``kind path path``, part by part.

    The program calls ``begin(name)`` and ``end()`` around each part of interest; it is traced from the first on. Paths
    are relative to the directory, or to the directory descriptor that a call was given; calls on descriptors have none.
    """
    source = f"{_PRELUDE}\nroot = {str(directory)!r}\nos.chdir(root)\n{program}"
    arguments = [sys.executable, "-B", "-c", source]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        tracing = ["strace", "-y", "-s", "0", "-e", "trace=%file,%desc", "-o", str(log), "-p", str(process.pid)]
        with subprocess.Popen(tracing, stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr is not None
            line = tracer.stderr.readline()
            process.stdin.write("\n")
            process.stdin.close()
            assert "attached" in line, line
    assert process.returncode == 0
    return _parts(log.read_text(errors="surrogateescape"), str(directory))


def _parts(text: str, root: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    reader: _Reader | None = None
    for line in text.splitlines():
        if _BEGIN in line:
            reader = _Reader(root)
            found[line.partition(_BEGIN)[2].partition('"')[0]] = reader.found
        elif _END in line:
            reader = None
        elif reader is not None:
            reader.read(line)
    return found


class _Reader:
    """Translates system calls. A descriptor that opendir made or duplicated is the scan's own, and so are its calls."""

    def __init__(self, root: str) -> None:
        self.found: list[str] = []
        self._root = root
        self._scans: set[str] = set()

    def read(self, line: str) -> None:
        """Take one line of strace's log."""
        match = _CALL.match(line)
        if match is not None:
            self._call(match[1], match[2], match[3])

    def _call(self, name: str, arguments: str, result: str) -> None:
        fd = _FD.match(arguments)
        if name in ("newfstatat", "statx", "openat", "unlinkat", "mkdirat"):
            self._at(name, arguments, result)
        elif name in ("stat", "lstat", "mkdir", "rmdir", "unlink", "access", "readlink"):
            self._note({"lstat": "stat"}.get(name, name), _QUOTED.findall(arguments)[:1])
        elif name in ("rename", "renameat", "renameat2"):
            self._note("rename", _QUOTED.findall(arguments)[:2])
        elif fd is None or self._root not in arguments:
            return
        elif name == "fcntl" and "F_DUPFD" in arguments:
            self._scans.add(result)
            self.found.append("readdir")
        elif fd[1] in self._scans:
            if name == "close":
                self._scans.discard(fd[1])
        elif name in ("close", "write", "writev", "read", "ftruncate", "fsync"):
            self.found.append({"writev": "write", "ftruncate": "truncate"}.get(name, name))

    def _at(self, name: str, arguments: str, result: str) -> None:
        match = _AT.match(arguments)
        assert match is not None, arguments
        fd, path, rest = match[1], match[3], match[4]
        if not path:
            if fd not in self._scans and self._root in arguments:
                self.found.append("stat")
            return
        kind = {"newfstatat": "stat", "statx": "stat", "openat": "open", "unlinkat": "unlink", "mkdirat": "mkdir"}[name]
        if "AT_REMOVEDIR" in rest:
            kind = "rmdir"
        elif "O_NONBLOCK" in rest and "O_DIRECTORY" in rest:
            kind = "readdir"
            self._scans.add(result)
        self._note(kind, [path])

    def _note(self, kind: str, paths: list[str]) -> None:
        if all(path.startswith((self._root, ".")) or not path.startswith("/") for path in paths):
            self.found.append(" ".join([kind, *(path.removeprefix(self._root).removeprefix("/") for path in paths)]))
