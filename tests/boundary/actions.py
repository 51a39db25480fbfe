"""Small things that ordinary code does to files, as functions of a root and two names; each tells what it saw."""

from __future__ import annotations

import glob
import json
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

Action = Callable[[Path, str, str], Any]


def _shape(found: os.stat_result) -> tuple[str, int]:
    kind = stat.filemode(found.st_mode)
    return kind, found.st_size if stat.S_ISREG(found.st_mode) else -1


def _copied(copy: Callable[[Path, Path], Path]) -> Action:
    """Not of a directory: opening one for reading fails later than in CPython (see ``boundary.files``)."""
    return lambda root, first, second: None if os.path.isdir(root / first) else str(copy(root / first, root / second))


def _copied_tree(root: Path, first: str, second: str) -> Any:
    """Not into itself, which ends by the recursion limit."""
    if (root / second).resolve().is_relative_to((root / first).resolve()):
        return None
    return str(shutil.copytree(root / first, root / second / "copy", symlinks=True))


def _appended(root: Path, first: str, second: str) -> Any:
    with open(root / first, "a") as file:
        before = file.tell()
        file.write(second)
        return before, file.tell()


def _updated(root: Path, first: str, second: str) -> Any:
    with open(root / first, "r+b") as file:
        head = file.read(2)
        file.seek(1)
        file.write(second.encode())
        file.seek(0)
        return head, file.read(), file.truncate(3), file.tell()


def _created(root: Path, first: str, second: str) -> Any:
    with open(root / first, "x", encoding="utf-16", newline="\r\n") as file:
        return file.write(f"{second}\nä"), file.encoding, file.mode, file.isatty(), file.seekable()


def _lines(root: Path, first: str, second: str) -> Any:
    with open(root / first, encoding="latin-1") as file:
        return [*file], file.tell()


def _at_directory(root: Path, first: str, second: str) -> Any:
    fd = os.open(root / first, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.mkdir(second, dir_fd=fd)
        os.rename(second, second + "2", src_dir_fd=fd, dst_dir_fd=fd)
        found = sorted(os.listdir(fd)), _shape(os.stat(second + "2", dir_fd=fd)), os.access(second, os.F_OK, dir_fd=fd)
        os.rmdir(second + "2", dir_fd=fd)
        return found
    finally:
        os.close(fd)


def _descriptors(root: Path, first: str, second: str) -> Any:
    fd = os.open(root / first, os.O_RDWR | os.O_CREAT, 0o640)
    try:
        seen = [
            os.write(fd, b"0123456789"), os.pwrite(fd, b"ab", 4), os.lseek(fd, 2, os.SEEK_SET), os.read(fd, 4),
            os.pread(fd, 3, 7), os.writev(fd, [b"x", b"yz"]), os.fstat(fd).st_size, os.isatty(fd),
            os.preadv(fd, [bytearray(2), bytearray(3)], 0), os.sendfile(fd, fd, 0, 3), os.get_inheritable(fd),
        ]  # fmt: skip
        os.ftruncate(fd, 8)
        os.posix_fallocate(fd, 0, 12)
        os.fsync(fd)
        os.fdatasync(fd)
        copy = os.dup(fd)
        os.lseek(copy, 0, os.SEEK_SET)
        seen += [os.read(fd, 100), os.lseek(copy, 0, os.SEEK_CUR)]
        os.close(copy)
        return seen
    finally:
        os.close(fd)


def _scanned(root: Path, first: str, second: str) -> Any:
    with os.scandir(root / first) as entries:
        return sorted(
            (entry.name, os.fspath(entry), entry.is_dir(), entry.is_file(), entry.is_symlink(),
             entry.is_dir(follow_symlinks=False), entry.inode() == entry.stat(follow_symlinks=False).st_ino)
            for entry in entries
        )  # fmt: skip


def _bytes(root: Path, first: str, second: str) -> Any:
    directory = os.fsencode(root / first)
    with os.scandir(directory) as entries:
        scanned = sorted(entry.path for entry in entries)
    return sorted(os.listdir(directory)), scanned, sorted(glob.glob(directory + b"/*"))


def _walked(root: Path, first: str, second: str) -> Any:
    down = [(at, sorted(directories), sorted(files)) for at, directories, files in os.walk(root / first)]
    by_descriptor = [(at, sorted(directories), sorted(files)) for at, directories, files, _ in os.fwalk(root / first)]
    return sorted(down), sorted(by_descriptor)


def _temporary(root: Path, first: str, second: str) -> Any:
    with tempfile.TemporaryDirectory(dir=root / first) as directory, tempfile.NamedTemporaryFile(dir=directory) as file:
        file.write(b"x")
        file.flush()
        seen = os.path.getsize(file.name), len(os.listdir(directory))
    with tempfile.TemporaryFile(dir=root / first) as unnamed:
        unnamed.write(b"y")
    return *seen, sorted(os.listdir(root / first))


def _archived(root: Path, first: str, second: str) -> Any:
    with zipfile.ZipFile(root / first, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a"), "1")
        archive.writestr(zipfile.ZipInfo("b/c"), second)
    with zipfile.ZipFile(root / first) as archive:
        return archive.namelist(), archive.read("b/c")


def _json(root: Path, first: str, second: str) -> Any:
    with open(root / first, "w") as file:
        json.dump({"step": [1, second]}, file)
    with open(root / first) as file:
        return json.load(file)


def _times(root: Path, first: str, second: str) -> Any:
    os.utime(root / first, (1.5, 1e9 + 0.25))
    found = os.stat(root / first)
    os.utime(root / first, ns=(5, 7))
    return found.st_mtime, found.st_atime_ns, os.stat(root / first).st_mtime_ns, os.path.getmtime(root / first)


def _moved_there(root: Path, first: str, second: str) -> Any:
    before = os.getcwd()
    os.chdir(root / first)
    try:
        there = os.getcwd()
        os.mkdir(second)
        return there, os.path.abspath(second), sorted(os.listdir()), os.path.realpath("..")
    finally:
        os.chdir(before)


ACTIONS: Final[dict[str, Action]] = {
    "mkdir": lambda root, a, b: os.mkdir(root / a),
    "mkdir with a slash": lambda root, a, b: os.mkdir(f"{root}/{a}/"),
    "makedirs": lambda root, a, b: os.makedirs(root / a / b, exist_ok=True),
    "makedirs anew": lambda root, a, b: os.makedirs(root / a / b),
    "rmdir": lambda root, a, b: os.rmdir(root / a),
    "removedirs": lambda root, a, b: os.removedirs(root / a / b),
    "unlink": lambda root, a, b: os.unlink(root / a),
    "remove with a slash": lambda root, a, b: os.remove(f"{root}/{a}/"),
    "rename": lambda root, a, b: os.rename(root / a, root / b),
    "rename into": lambda root, a, b: os.rename(root / a, root / b / a),
    "rename with slashes": lambda root, a, b: os.rename(f"{root}//{a}/", f"{root}/./{b}/"),
    "replace": lambda root, a, b: os.replace(root / a, str(root / b)),
    "renames": lambda root, a, b: os.renames(root / a, root / b / "deep" / a),
    "link": lambda root, a, b: os.link(root / a, root / b),
    "symlink": lambda root, a, b: os.symlink(a, root / b),
    "symlink to an absolute path": lambda root, a, b: os.symlink(root / a, root / b),
    "readlink": lambda root, a, b: os.readlink(root / a),
    "listdir": lambda root, a, b: sorted(os.listdir(root / a)),
    "listdir through a name": lambda root, a, b: sorted(os.listdir(f"{root}/{a}/../{b}")),
    "scandir": _scanned,
    "bytes": _bytes,
    "walk": _walked,
    "stat": lambda root, a, b: _shape(os.stat(root / a)),
    "lstat": lambda root, a, b: _shape(os.lstat(root / a)),
    "access": lambda root, a, b: (os.access(root / a, os.F_OK), os.access("", os.F_OK)),
    "questions": lambda root, a, b: [
        question(root / a)
        for question in (os.path.exists, os.path.isdir, os.path.isfile, os.path.islink, os.path.lexists)
    ],
    "samefile": lambda root, a, b: os.path.samefile(root / a, root / b),
    "getsize": lambda root, a, b: os.path.getsize(root / a) if (root / a).is_file() else None,
    "truncate": lambda root, a, b: os.truncate(root / a, 5),
    "chmod": lambda root, a, b: (os.chmod(root / a, 0o750), _shape(os.stat(root / a))),
    "times": _times,
    "write bytes": lambda root, a, b: (root / a).write_bytes(b.encode() * 3),
    "write text": lambda root, a, b: (root / a).write_text(b),
    "read": lambda root, a, b: None if os.path.isdir(root / a) else (root / a).read_bytes(),
    "append": _appended,
    "update": lambda root, a, b: None if os.path.isdir(root / a) else _updated(root, a, b),
    "create": _created,
    "lines": lambda root, a, b: None if os.path.isdir(root / a) else _lines(root, a, b),
    "open for writing": lambda root, a, b: open(root / a, "wb", 0).close(),
    "descriptors": _descriptors,
    "at a directory": _at_directory,
    "copyfile": _copied(shutil.copyfile),
    "copy2": _copied(shutil.copy2),  # type: ignore[arg-type]
    "copytree": _copied_tree,
    "move": lambda root, a, b: str(shutil.move(root / a, root / b)),
    "rmtree": lambda root, a, b: shutil.rmtree(root / a),
    "rmtree ignoring errors": lambda root, a, b: shutil.rmtree(root / a, ignore_errors=True),
    "touch": lambda root, a, b: (root / a).touch(),
    "touch anew": lambda root, a, b: (root / a).touch(exist_ok=False),
    "iterdir": lambda root, a, b: sorted((root / a).iterdir()),
    "rglob": lambda root, a, b: sorted((root / a).rglob("*")),
    "resolve": lambda root, a, b: (root / a / b).resolve(),
    "unlink if there": lambda root, a, b: (root / a).unlink(missing_ok=True),
    "temporary": _temporary,
    "archive": _archived,
    "json": _json,
    "chdir": _moved_there,
}
