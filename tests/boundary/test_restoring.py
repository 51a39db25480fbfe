"""What installing replaces, where, and that uninstalling puts every binding back."""

from __future__ import annotations

import _thread
import builtins
import bz2
import fcntl
import io
import mmap
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tokenize
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import pytest

from simulator.boundary import install, installed, uninstall
from simulator.boundary.installation import CLASSES, FUNCTIONS, METHODS, SUPPORTS
from tests.boundary.direct import ROOT, DirectCaller, running

USER_MODULE = """
import os, io
from os import rename, path
from io import FileIO
from functools import partial
class Saver:
    remove = os.remove
    scan = staticmethod(os.scandir)
    def publish(self, source, target, move=os.replace, *, make=os.mkdir):
        make(target + ".d")
        return move(source, target)
    class Inner:
        unlink = os.unlink
def clear(paths, remove=os.remove):
    for p in paths: remove(p)
"""


def module_of(source: str, name: str) -> Any:
    module = ModuleType(name)
    exec(source, module.__dict__)
    sys.modules[name] = module
    return module


def snapshot() -> dict[Any, Any]:
    """Every global, class attribute and default of every loaded module outside this project."""
    found: dict[Any, Any] = {}
    for name, module in list(sys.modules.items()):
        if not isinstance(module, ModuleType) or name.startswith(("simulator", "tests", "_pytest", "hypothesis")):
            continue
        for key, value in list(module.__dict__.items()):
            found[name, key] = value
            functions = [(key, value)]
            if issubclass(type(value), type):
                for attribute, item in list(value.__dict__.items()):
                    found[name, key, attribute] = item
                    functions.append((f"{key}.{attribute}", item))
            for path, function in functions:
                if type(function) is FunctionType:
                    found[name, path, "defaults"] = (function.__defaults__, function.__kwdefaults__)
    return found


def test_every_binding_is_put_back() -> None:
    with installed():
        pass  # warms what searching itself caches
    before, supported = snapshot(), {name: set(getattr(os, name)) for name in SUPPORTS}
    with installed():
        during = snapshot()
        assert os.mkdir is not before["os", "mkdir"]
    after = snapshot()
    assert {key: value for key, value in after.items() if before.get(key) is not value and before[key] != value} == {}
    assert {name: set(getattr(os, name)) for name in SUPPORTS} == supported
    changed = {key for key, value in during.items() if before.get(key) is not value}
    assert {("os", "rename"), ("builtins", "open"), ("io", "open"), ("tokenize", "_builtin_open")} <= changed


def test_what_modules_captured_is_rebound(caller: DirectCaller) -> None:
    uninstall()
    module = module_of(USER_MODULE, "user_module_of_a_test")
    originals = dict(module.__dict__)
    install()
    try:
        with running(caller):
            open("a", "w").close()
            saver = module.Saver()
            saver.publish("a", f"{ROOT}/b")
            module.rename("b", "c")
            assert [entry.name for entry in saver.scan(ROOT)] == ["b.d", "c"]
            saver.remove("c")
            assert isinstance(module.FileIO("e", "w"), io.RawIOBase)
            open("f", "w").close()
            module.Saver.Inner.unlink("f")
            module.clear(["e"])
            assert os.listdir() == ["b.d"]
        uninstall()
        assert module.__dict__ == originals
        assert module.Saver.__dict__["remove"] is os.remove
        assert module.Saver.publish.__defaults__ == (os.replace,)
        assert module.Saver.publish.__kwdefaults__ == {"make": os.mkdir}
        assert module.Saver.__dict__["scan"].__func__ is os.scandir
    finally:
        install()
        del sys.modules["user_module_of_a_test"]


def test_a_module_loaded_meanwhile_gets_the_originals_in_the_end() -> None:
    with installed():
        module = module_of(USER_MODULE, "user_module_of_a_test")
        try:
            with running(DirectCaller()):
                open("a", "w").close()
                module.rename("a", "b")
                module.Saver().remove("b")
                assert os.listdir() == []
        finally:
            uninstall()
            assert module.rename is os.rename
            assert module.Saver.__dict__["remove"] is os.remove
            install()
            del sys.modules["user_module_of_a_test"]


def test_the_known_captures_of_the_standard_library() -> None:
    before = (tokenize._builtin_open, bz2._builtin_open, random._urandom)  # type: ignore[attr-defined]
    assert before == (open, open, os.urandom)
    with installed():
        now = (tokenize._builtin_open, bz2._builtin_open, random._urandom)  # type: ignore[attr-defined]
        assert now == (builtins.open, builtins.open, os.urandom)
        assert now != before
        assert io.open is builtins.open
        closer = tempfile._TemporaryFileCloser  # type: ignore[attr-defined]
        assert os.unlink in (closer.cleanup if hasattr(closer, "cleanup") else closer.close).__defaults__
        name = "start_joinable_thread" if sys.version_info >= (3, 13) else "start_new_thread"
        assert getattr(threading, f"_{name}") is getattr(_thread, name)
        assert hasattr(getattr(_thread, name), "__wrapped__")


def test_rmtree_keeps_to_descriptors() -> None:
    with installed():
        assert {os.open, os.stat, os.unlink, os.rmdir} <= os.supports_dir_fd
        assert os.scandir in os.supports_fd
        assert os.stat in os.supports_follow_symlinks
        assert shutil.rmtree.avoids_symlink_attacks


def test_installing_is_counted() -> None:
    real = os.mkdir
    install()
    install()
    uninstall()
    assert os.mkdir is not real
    uninstall()
    assert os.mkdir is real
    with pytest.raises(RuntimeError, match="not installed"):
        uninstall()


def test_installing_again_replaces_by_the_same() -> None:
    with installed():
        first = os.rename, io.FileIO
    with installed():
        assert (os.rename, io.FileIO) == first


def test_what_somebody_else_puts_in_place_stays() -> None:
    real = os.mkdir

    def own(*_: Any) -> None: ...

    with installed():
        replacement = os.mkdir
        os.mkdir = own  # type: ignore[assignment]
    assert os.mkdir is own
    os.mkdir = replacement
    with installed():
        assert os.mkdir is replacement
    assert os.mkdir is real


def test_replacements_look_like_what_they_replace() -> None:
    names = {name: (kind, getattr(module, name)) for module, name, kind in [
        (os, "mkdir", BuiltinFunctionType), (time, "time", BuiltinFunctionType), (fcntl, "flock", BuiltinFunctionType)
    ]}  # fmt: skip
    classes = [io.FileIO, mmap.mmap, subprocess.Popen]
    with installed():
        for name, (kind, original) in names.items():
            replacement = {"mkdir": os.mkdir, "time": time.time, "flock": fcntl.flock}[name]
            assert isinstance(original, kind)
            assert isinstance(replacement, MethodType)
            assert (replacement.__name__, replacement.__doc__) == (original.__name__, original.__doc__)
        assert [cls.__name__ for cls in (io.FileIO, mmap.mmap, subprocess.Popen)] == [cls.__name__ for cls in classes]
        with io.FileIO(os.devnull) as file:
            assert type(file) is classes[0]
            assert isinstance(file, io.FileIO)
        assert issubclass(type("Own", (io.FileIO,), {}), classes[0])


def test_every_function_named_exists_in_some_version() -> None:
    """A misspelt name would be replaced nowhere. Those that newer or older versions lack are named here."""
    elsewhere = {
        "_thread:start_joinable_thread", "numpy.lib.format:isfileobj", "numpy.lib._format_impl:isfileobj",
        "os:setns", "os:unshare", "os:pidfd_open", "torch:from_file", "torch.serialization:load",
        "torch.serialization:_should_read_directly", "torch._C:PyTorchFileWriter",
        "torch._C:PyTorchFileReader",
        "safetensors._safetensors_rust:serialize_file", "safetensors._safetensors_rust:safe_open",
        "safetensors._safetensors_rust:_safe_open_handle", "multiprocess.process:BaseProcess.start",
    }  # fmt: skip
    import multiprocessing.process
    import platform
    import socket
    import uuid

    loaded = {module.__name__: module for module in (multiprocessing.process, platform, socket, uuid)}
    missing = set()
    for key in {**FUNCTIONS, **METHODS, **CLASSES}:
        name, _, path = key.partition(":")
        if name.startswith(("torch.distributed", "torch.nn")):
            continue  # tests/boundary/test_torch_distributed.py
        holder: Any = loaded.get(name) or sys.modules.get(name)
        for part in path.split("."):
            holder = getattr(holder, part, None)
        if holder is None:
            missing.add(key)
    assert missing <= elsewhere
