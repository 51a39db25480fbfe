"""torch, safetensors and numpy, whose writers are not Python: what they do reaches the simulation and nothing else."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
import safetensors.torch
import torch
from greenlet import getcurrent, greenlet

from simulator.boundary import installed
from simulator.boundary.caller import CURRENT
from simulator.boundary.safetensors_adapter import pieces_of, serialize_file, writes_beside
from simulator.boundary.writing import BufWriter
from simulator.errors import Escape, RankKilled
from simulator.operations import Close, Open, Operation, Rename, Truncate, Unlink, Write
from tests.boundary.direct import ROOT, DirectCaller, running

SafetensorError: Any = safetensors.SafetensorError
STATE = {"a": torch.arange(3), "b": torch.zeros(3000), "n": {"step": 7}}
TENSORS = {"a": torch.arange(5), "b": torch.ones(3000), "c": torch.zeros(2, 3, dtype=torch.bfloat16)}


class Failing(DirectCaller):
    """A rank for which operations of one kind fail from the n-th on: with an errno, or because it is killed."""

    def __init__(self, kind: type[Operation], number: int | None, after: int = 0) -> None:
        super().__init__()
        self.kind, self.number, self.after = kind, number, after

    def perform(self, operation: Operation) -> Any:
        if isinstance(operation, self.kind):
            self.after -= 1
            if self.after < 0:
                self.operations.append(operation)
                if self.number is None:
                    self.kind = Operation
                    raise RankKilled
                raise OSError(self.number, os.strerror(self.number))
        return super().perform(operation)


def equal(first: Any, second: Any) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("form", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("path", ["m.pt", f"{ROOT}/m.pt", Path(ROOT) / "ä.pt"], ids=str)
def test_torch_saves_and_loads(caller: DirectCaller, form: bool, path: Any) -> None:
    with running(caller):
        torch.save(STATE, path, _use_new_zipfile_serialization=form)
        loaded = torch.load(path)
    assert torch.equal(loaded["a"], STATE["a"])
    assert torch.equal(loaded["b"], STATE["b"])
    assert loaded["n"] == {"step": 7}
    assert caller.escapes == []


def test_torch_writes_what_it_writes_to_a_python_object(caller: DirectCaller) -> None:
    buffer = io.BytesIO()
    torch.save(STATE, buffer)
    with running(caller):
        torch.save(STATE, "m.pt")
        assert Path("m.pt").read_bytes() == buffer.getvalue()


def test_torch_says_what_it_says_when_it_cannot_open(caller: DirectCaller, tmp_path: Path) -> None:
    def messages(root: str) -> list[str]:
        found = []
        for name in ("absent/m.pt", "d"):
            with pytest.raises(RuntimeError) as caught:
                torch.save(STATE, f"{root}/{name}")
            text = str(caught.value).replace(root, "ROOT")
            found.append(text.partition("] . ")[2] or text)
        return found

    (tmp_path / "d").mkdir()
    expected = messages(str(tmp_path))
    with running(caller):
        os.mkdir("d")
        assert messages(ROOT) == expected


@pytest.mark.parametrize("after", [0, 1], ids=["in the archive", "at its end"])
def test_a_full_disk_is_a_runtime_error_of_torch(after: int) -> None:
    """Held from the real thing on /dev/full: RuntimeError, and a second attempt to write before the file is closed."""
    rank = Failing(Write, errno.ENOSPC, after)
    with installed(), running(rank), pytest.raises(RuntimeError, match=r"unexpected pos|iostream error"):
        torch.save(STATE, "m.pt")
    assert isinstance(rank.operations[-1], Close)


def test_a_rank_that_is_killed_in_torch_save_does_nothing_more() -> None:
    rank = Failing(Write, None)
    with installed(), running(rank), pytest.raises(RankKilled):
        torch.save(STATE, "m.pt")
    assert [type(operation) for operation in rank.operations if not isinstance(operation, Open)][:1] == [Write]
    assert rank.model.perform(0, Open("m.pt", os.O_RDONLY)) > 0


def test_torch_maps_no_simulated_file(caller: DirectCaller) -> None:
    with running(caller):
        torch.save(STATE, "m.pt")
        for refused in (lambda: torch.load("m.pt", mmap=True), lambda: torch.from_file("m.pt", size=3)):
            with pytest.raises(Escape):
                refused()
        with pytest.raises(Escape):
            torch.save(STATE, "/opt/ckptrace-escape.pt")
    assert caller.escapes == [
        "torch.load with mmap=True('m.pt')", "torch.from_file('m.pt')", "torch.save('/opt/ckptrace-escape.pt')"
    ]  # fmt: skip


def test_ranks_take_turns_at_every_operation_of_a_save_and_a_load(caller: DirectCaller) -> None:
    """As in the in-process engine: pybind11 aborts the process if ranks take turns inside its calls."""
    hub = getcurrent()
    other = DirectCaller(rank=1, model=caller.model)
    states = {0: STATE, 1: {**STATE, "b": torch.ones(5000)}}

    def body(rank: DirectCaller) -> None:
        perform = rank.perform
        rank.perform = lambda operation: (hub.switch(), perform(operation))[1]  # type: ignore[method-assign]
        name = f"{rank.rank}.pt"
        for _ in range(3):
            torch.save(states[rank.rank], name)
            assert torch.equal(torch.load(name)["b"], states[rank.rank]["b"])
            with open(name, "wb", 0) as file:
                torch.save(states[rank.rank], file)
            with open(name, "rb", 0) as file:
                assert torch.equal(torch.load(file)["b"], states[rank.rank]["b"])
            torch.save(states[rank.rank], name, _use_new_zipfile_serialization=False)
            assert torch.equal(torch.load(name)["b"], states[rank.rank]["b"])
            safetensors.torch.save_file({"b": states[rank.rank]["b"]}, name)
            assert torch.equal(safetensors.torch.load_file(name)["b"], states[rank.rank]["b"])

    tasks = [(rank, greenlet(lambda rank=rank: body(rank))) for rank in (caller, other)]
    while any(not task.dead for _, task in tasks):
        for rank, task in tasks:
            if not task.dead:
                CURRENT.caller = rank
                task.switch()
                CURRENT.caller = None


def test_safetensors_save_and_load(caller: DirectCaller) -> None:
    with running(caller):
        safetensors.torch.save_file(TENSORS, f"{ROOT}/m.safetensors", metadata={"format": "pt"})
        assert os.listdir() == ["m.safetensors"]
        assert equal(safetensors.torch.load_file("m.safetensors"), TENSORS)
        assert Path("m.safetensors").read_bytes() == safetensors.torch.save(TENSORS, {"format": "pt"})
        assert equal(torch.load("m.safetensors"), TENSORS)
        safetensors.numpy.save_file({"x": np.arange(4)}, Path("n.safetensors"))
        assert safetensors.numpy.load_file(Path("n.safetensors"))["x"].tolist() == [0, 1, 2, 3]
        with safetensors.safe_open("m.safetensors", framework="pt") as file:
            assert file.keys() == ["a", "b", "c"]
            assert sorted(file.offset_keys()) == file.keys()
            assert file.metadata() == {"format": "pt"}
            assert file.get_slice("a")[1:3].tolist() == [1, 2]
            assert (file.get_slice("c").get_shape(), file.get_slice("c").get_dtype()) == ([2, 3], "BF16")
            with pytest.raises(SafetensorError, match="File does not contain tensor x"):
                file.get_tensor("x")
        with pytest.raises(SafetensorError, match="File is closed"):
            file.keys()
    assert caller.escapes == []


BROKEN = {
    "torn": lambda whole: whole[:500], "header only": lambda whole: whole[:8], "tiny": lambda whole: b"abc",
    "no json": lambda whole: b"\x08\0\0\0\0\0\0\0{nojson}", "empty": lambda whole: b"",
    "longer": lambda whole: whole + b"x",
    "huge header": lambda whole: b"\xff" * 8 + whole, "whole": lambda whole: whole,
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_safetensors_are_refused_in_the_same_words(caller: DirectCaller, tmp_path: Path, kind: str) -> None:
    content = BROKEN[kind](safetensors.torch.save(TENSORS))

    def attempt(path: Path) -> str:
        path.write_bytes(content)
        try:
            return repr(sorted(safetensors.torch.load_file(path)))
        except SafetensorError as error:
            return str(error)

    expected = attempt(tmp_path / "m.safetensors")
    with running(caller):
        assert attempt(Path(ROOT, "m.safetensors")) == expected


def test_safetensors_errors_are_the_real_ones(caller: DirectCaller, tmp_path: Path) -> None:
    def messages(root: str) -> list[str]:
        found = []
        for call, path in [(safetensors.torch.load_file, "absent"), (safetensors.torch.load_file, "d"),
                           (lambda path: safetensors.torch.save_file(TENSORS, path), "d"),
                           (lambda path: safetensors.torch.save_file(TENSORS, path), "absent/x"),
                           (lambda path: safetensors.safe_open(path, "no such"), "d")]:  # fmt: skip
            with pytest.raises((OSError, SafetensorError)) as caught:
                call(f"{root}/{path}")
            text = f"{caught.type.__name__} {caught.value}".replace(root, "ROOT")
            found.append(text[: text.index(".tmp")] if ".tmp" in text else text)
        return found

    (tmp_path / "d").mkdir()
    expected = messages(str(tmp_path))
    with running(caller):
        os.mkdir("d")
        assert messages(ROOT) == expected


def test_versions_that_write_beside_the_target() -> None:
    assert [writes_beside(version) for version in ("0.4.5", "0.7.0", "0.8.0", "0.8.0rc1", "0.10.2", "1.0.0")] == [
        False, False, True, True, True, True
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("version", "kinds"),
    [("0.7.0", [Open, Write, Write, Write, Close]), ("0.8.0", [Open, Truncate, Write, Rename, Close])],
)
def test_each_version_writes_as_it_does(
    caller: DirectCaller, monkeypatch: pytest.MonkeyPatch, version: str, kinds: list[type[Operation]]
) -> None:
    monkeypatch.setattr(safetensors._safetensors_rust, "__version__", version)  # type: ignore[attr-defined]
    with running(caller):
        safetensors.torch.save_file(TENSORS, "m.safetensors")
    assert [type(operation) for operation in caller.operations] == kinds
    opened = caller.operations[0]
    assert isinstance(opened, Open)
    assert opened.path == "m.safetensors" if version < "0.8" else opened.path.startswith(".tmp")
    assert opened.mode == (0o644 if version < "0.8" else 0o600)


@pytest.mark.parametrize("kind", [Truncate, Write, Rename])
def test_a_failed_save_leaves_no_temporary_file(kind: type[Operation]) -> None:
    rank = Failing(kind, errno.ENOSPC)
    with installed(), running(rank):
        with pytest.raises(SafetensorError, match="No space left on device"):
            safetensors.torch.save_file(TENSORS, "m.safetensors")
        assert [type(operation) for operation in rank.operations[-2:]] == [Unlink, Close]
        assert os.listdir() == []


def test_a_rank_that_is_killed_in_between_leaves_it() -> None:
    rank = Failing(Rename, None)
    with installed(), running(rank), pytest.raises(RankKilled):
        safetensors.torch.save_file(TENSORS, "m.safetensors")
    assert isinstance(rank.operations[-1], Rename)


def test_a_lazily_read_file_survives_being_replaced_but_not_being_truncated(caller: DirectCaller) -> None:
    with running(caller):
        safetensors.torch.save_file(TENSORS, "m.safetensors")
        with safetensors.safe_open("m.safetensors", framework="pt") as file:
            safetensors.torch.save_file({"other": torch.ones(1)}, "m.safetensors")
            assert torch.equal(file.get_tensor("b"), TENSORS["b"])
        with safetensors.safe_open("m.safetensors", framework="pt") as file:
            os.truncate("m.safetensors", 0)
            with pytest.raises(OSError, match="SIGBUS"):
                file.get_tensor("other")


def test_what_the_writer_hands_over_is_the_whole_content() -> None:
    content = safetensors.torch.save(TENSORS, {"k": "v"})
    assert b"".join(pieces_of(content)) == content
    assert len(list(pieces_of(content))) == 2 + len(TENSORS)


def test_a_short_write_is_continued(caller: DirectCaller) -> None:
    perform = caller.perform

    def first_bytes(operation: Any) -> Any:
        if isinstance(operation, Write) and isinstance(operation.data, bytes):
            operation = Write(operation.fd, operation.data[:3])
        return perform(operation)

    caller.perform = first_bytes  # type: ignore[method-assign]
    with running(caller):
        fd = os.open("f", os.O_CREAT | os.O_RDWR)
        buffer = BufWriter(caller, fd, 4)
        for piece in (b"ab", b"cde", b"fghijkl"):
            buffer.write(piece)
        buffer.flush()
        assert os.pread(fd, 100, 0) == b"abcdefghijkl"


def test_serialising_outside_is_an_escape(caller: DirectCaller) -> None:
    with running(caller):
        with pytest.raises(Escape):
            safetensors.torch.save_file(TENSORS, "/opt/ckptrace-escape")
        with pytest.raises(TypeError):
            serialize_file(caller, {}, b"m.safetensors")
    assert caller.escapes == ["safetensors.serialize_file('/opt/ckptrace-escape')"]


def test_real_files_outside_are_read_as_ever(caller: DirectCaller, tmp_path: Path) -> None:
    safetensors.torch.save_file(TENSORS, tmp_path / "m.safetensors")
    torch.save(STATE, tmp_path / "m.pt")
    with running(caller):
        assert equal(safetensors.torch.load_file(tmp_path / "m.safetensors"), TENSORS)
        assert torch.equal(torch.load(tmp_path / "m.pt", mmap=True)["b"], STATE["b"])
    assert caller.operations == []


def test_numpy_saves_and_loads(caller: DirectCaller, tmp_path: Path) -> None:
    with running(caller):
        np.save("a.npy", np.arange(6).reshape(2, 3))
        assert np.load("a.npy").tolist() == [[0, 1, 2], [3, 4, 5]]
        np.savez("a.npz", x=np.ones(2))
        with np.load("a.npz") as archive:
            assert archive["x"].tolist() == [1, 1]
        with pytest.raises(Escape):
            np.load("a.npy", mmap_mode="r")
        with pytest.raises(OSError, match="fdopen"):
            np.arange(3).tofile("raw")
    np.save(tmp_path / "a.npy", np.arange(3))
    assert np.load(tmp_path / "a.npy", mmap_mode="r").tolist() == [0, 1, 2]
