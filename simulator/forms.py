"""The forms of content: short bytes, torch files, safetensors files, and files that have a size but no bytes.

The form ``sparse`` is ``size``, with files that begin as real ones do where that is known.

Whatever the form, a trainer state is JSON text with ``global_step`` and a pointer is the text ``global_step{N}``, as
Trainer and DeepSpeed write them. A content is a function of its stamp alone, so that a file that is torn, or mixed of
two contents, differs from every whole one and is recognised when it is read.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias

from simulator.errors import UsageError
from simulator.state import Form, Stamp

FORMS: Final = ("bytes", "torch", "safetensors", "size", "sparse")
"""The names of the forms. With ``safetensors`` the model's shards are safetensors files, all others torch files."""

WriteExtent: TypeAlias = Callable[[int, int], None]
"""Makes the file of a descriptor that many bytes longer, from the descriptor's position on, without writing them."""

HEADER_SIZE: Final = 64
"""Length in bytes of what a file of the form ``size`` really holds."""

_HOLLOW = ("size", "sparse")

_TENSOR_LENGTH = 16


class Codec(Protocol):
    """How a stamp becomes the bytes of a file, and back."""

    def encode(self, stamp: Stamp) -> bytes:
        """The content of a stamp; always the same bytes."""
        ...

    def decode(self, content: bytes, name: str) -> Stamp:
        """The stamp of a content; any exception says that it is none. The caller checks that it is a whole one."""
        ...


class WholeContent:
    """A form that writes real bytes, made and understood by a codec.

    Each content is serialised once, and each distinct content that is read is decoded once. With ``padded`` a content
    that is shorter than the shard's size is filled up with spaces, which a text may end in; else sizes play no part.
    """

    def __init__(self, codec: Codec, padded: bool = False) -> None:
        self._codec = codec
        self._padded = padded
        self._contents: dict[Stamp | tuple[Stamp, int], bytes] = {}
        self._stamps: dict[tuple[str, bytes], Stamp] = {}

    def write(self, path: str, stamp: Stamp, size: int) -> None:
        """Write the content of ``stamp``."""
        with open(path, "wb") as file:
            file.write(self._content(stamp, size))

    def read(self, path: str, name: str, size: int) -> Stamp:
        """The stamp of the file's content. Raises ValueError naming the path when that is torn or mixed."""
        with open(path, "rb") as file:
            content = file.read()
        stamp = self._stamps.get((name, content))
        if stamp is None:
            try:
                stamp = self._codec.decode(content, name)
            except Exception as error:  # what torch and safetensors raise on damaged input is not documented
                raise ValueError(f"{path}: torn or foreign content ({len(content)} bytes): {error}") from error
            if self._content(stamp, size) != content:
                raise ValueError(f"{path}: torn or mixed content ({len(content)} bytes), in part {stamp}")
            self._stamps[name, content] = stamp
        return stamp

    def checksum(self, stamp: Stamp, size: int) -> str:
        """BLAKE2b of the bytes."""
        return hashlib.blake2b(self._content(stamp, size), digest_size=16).hexdigest()

    def _content(self, stamp: Stamp, size: int) -> bytes:
        key = (stamp, size) if self._padded else stamp
        content = self._contents.get(key)
        if content is None:
            content = self._codec.encode(stamp)
            self._contents[key] = content = content.ljust(size) if self._padded else content
        return content


class SizeOnly:
    """A form for shards that are too large to be written: a header of 64 bytes, then a hole up to the shard's size.

    The header names version, size and, by a digest and as much of its end as fits, the shard. ``write_extent`` makes
    the hole; the default gives a sparse file. ``begins`` is what a real file of this name begins with, and comes first
    where there is room for it. A shard smaller than the header is a header.
    """

    def __init__(self, write_extent: WriteExtent | None = None, begins: bytes = b"") -> None:
        self._write_extent = write_extent or _sparse
        self._begins = begins

    def write(self, path: str, stamp: Stamp, size: int) -> None:
        """Write header and hole."""
        start = self._start(stamp, size)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            os.write(fd, start)
            if size > len(start):
                self._write_extent(fd, size - len(start))
        finally:
            os.close(fd)

    def read(self, path: str, name: str, size: int) -> Stamp:
        """The stamp that the header names. Raises ValueError naming the path when header or size is not right."""
        before = len(self._before(size))
        fd = os.open(path, os.O_RDONLY)
        try:
            start = os.read(fd, before + HEADER_SIZE)
            length = os.fstat(fd).st_size
        finally:
            os.close(fd)
        version = re.match(rb"version (\d+) ", start[before:])
        stamp = Stamp(name, int(version.group(1))) if version else None
        if stamp is None or start != self._start(stamp, size):
            raise ValueError(f"{path}: torn or foreign content: the header is {start[before:]!r}")
        if length != max(size, HEADER_SIZE):
            raise ValueError(f"{path}: torn content: {length} bytes of {max(size, HEADER_SIZE)}")
        return stamp

    def checksum(self, stamp: Stamp, size: int) -> str:
        """BLAKE2b of the header, which names everything that the content depends on."""
        return hashlib.blake2b(_header(stamp, size), digest_size=16).hexdigest()

    def _before(self, size: int) -> bytes:
        return self._begins if len(self._begins) + HEADER_SIZE <= size else b""

    def _start(self, stamp: Stamp, size: int) -> bytes:
        return self._before(size) + _header(stamp, size)


class ReadableText:
    """Two short lines that name the stamp: any cut or mixture of two contents leaves them unequal."""

    def encode(self, stamp: Stamp) -> bytes:
        return f"{stamp.version} {stamp.name}\nend of {stamp.version} {stamp.name}\n".encode()

    def decode(self, content: bytes, name: str) -> Stamp:
        version, named = content.decode().split("\n", 1)[0].split(" ", 1)
        return Stamp(named, int(version))


class TrainerStateText:
    """The JSON text of a trainer state."""

    def encode(self, stamp: Stamp) -> bytes:
        return (json.dumps({"file": stamp.name, "global_step": stamp.version}, indent=2) + "\n").encode()

    def decode(self, content: bytes, name: str) -> Stamp:
        table = json.loads(content)
        return Stamp(table["file"], table["global_step"])


class PointerText:
    """The text of DeepSpeed's file ``latest``. It does not say whose pointer it is: whoever reads it must know."""

    def encode(self, stamp: Stamp) -> bytes:
        return f"global_step{stamp.version}".encode()

    def decode(self, content: bytes, name: str) -> Stamp:
        return Stamp(name, int(content.removeprefix(b"global_step")))


class TorchFile:
    """A dict with small tensors, as ``torch.save`` makes it."""

    def __init__(self) -> None:
        self._torch = torch_for("workload.form torch")

    def encode(self, stamp: Stamp) -> bytes:
        weight = self._torch.tensor(_values(stamp), dtype=self._torch.float32)
        table = {"name": stamp.name, "version": stamp.version, "weight": weight, "bias": weight / 2}
        buffer = io.BytesIO()
        self._torch.save(table, buffer)
        return buffer.getvalue()

    def decode(self, content: bytes, name: str) -> Stamp:
        table = self._torch.load(io.BytesIO(content), weights_only=True)
        return Stamp(table["name"], table["version"])


class SafetensorsFile:
    """A few small tensors, as ``safetensors.torch.save`` makes it; the shard's name is in the metadata."""

    def __init__(self) -> None:
        self._torch = torch_for("workload.form safetensors")
        import safetensors
        import safetensors.torch

        self._safetensors = safetensors

    def encode(self, stamp: Stamp) -> bytes:
        weight = self._torch.tensor(_values(stamp), dtype=self._torch.bfloat16)
        tensors = {"weight": weight, "version": self._torch.tensor([stamp.version], dtype=self._torch.int64)}
        # One entry of metadata: the library writes several in an order that changes from process to process.
        content: bytes = self._safetensors.torch.save(tensors, {"name": stamp.name})
        return content

    def decode(self, content: bytes, name: str) -> Stamp:
        version = self._safetensors.torch.load(content)["version"]
        header_length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + header_length])["__metadata__"]
        return Stamp(metadata["name"], int(version.item()))


def torch_for(what: str) -> Any:
    """The module torch, for what cannot do without. Raises UsageError, saying how to get it, where it is absent."""
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise UsageError(
            f"{what}: needs torch, which is not installed; without CUDA it is pip install torch "
            "--index-url https://download.pytorch.org/whl/cpu"
        ) from error
    return torch


def form_for(name: str, role: str, write_extent: WriteExtent | None = None, begins: bytes = b"") -> Form:
    """The form in which a workload of form ``name`` writes shards of ``role``.

    ``write_extent`` is how the forms ``size`` and ``sparse`` make holes, ``begins`` what a file of the latter begins
    with. Raises UsageError when there is no form of that name.
    """
    if name not in FORMS:
        raise UsageError(f"workload.form: unknown form {name!r}; there are {', '.join(FORMS)}")
    if role == "trainer_state":
        return WholeContent(TrainerStateText(), padded=name in _HOLLOW)
    if role == "pointer":
        return WholeContent(PointerText())
    if name in _HOLLOW:
        return SizeOnly(write_extent, begins if name == "sparse" else b"")
    if name == "bytes":
        return WholeContent(ReadableText())
    return WholeContent(SafetensorsFile() if name == "safetensors" and role == "model" else TorchFile())


def _values(stamp: Stamp) -> list[float]:
    digest = hashlib.blake2b(f"{stamp.version} {stamp.name}".encode(), digest_size=_TENSOR_LENGTH).digest()
    return [byte / 256 for byte in digest]


def _header(stamp: Stamp, size: int) -> bytes:
    digest = hashlib.blake2b(stamp.name.encode(), digest_size=8).hexdigest()
    start = f"version {stamp.version} size {size} {digest} ".encode()
    return start + stamp.name.encode()[-(HEADER_SIZE - 1 - len(start)) :].rjust(HEADER_SIZE - 1 - len(start)) + b"\n"


def _sparse(fd: int, size: int) -> None:
    os.ftruncate(fd, os.lseek(fd, 0, os.SEEK_CUR) + size)
