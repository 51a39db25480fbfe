"""A safetensors file that is read tensor by tensor, on a simulated descriptor."""

from __future__ import annotations

import errno
import importlib
import json
import os
from stat import S_ISDIR
from types import TracebackType
from typing import Any, Final

from simulator.boundary.caller import Caller
from simulator.boundary.calls import refuse
from simulator.operations import Close, Open, Read, Stat

PAGE: Final = 4096
_FRAMEWORKS: Final = {
    "pt": "torch", "torch": "torch", "pytorch": "torch", "np": "numpy", "numpy": "numpy"
}  # fmt: skip
_UNKNOWN: Final = frozenset({"tf", "tensorflow", "jax", "flax", "mlx", "paddle", "paddlepaddle"})
_INCOMPLETE: Final = ("MetadataIncompleteBuffer", "incomplete metadata")


class LazyTensors:
    """``safetensors.safe_open`` for a rank."""

    def __init__(self, caller: Caller, rust: Any, where: str, shown: str, framework: str, device: Any) -> None:
        self._caller = caller
        self._error: type[Exception] = rust.SafetensorError
        if framework in _UNKNOWN:
            refuse(caller, f"safetensors.safe_open({shown!r}, framework={framework!r})")
        if framework not in _FRAMEWORKS:
            raise self._error(f"framework {framework} is invalid")
        self._framework = _FRAMEWORKS[framework]
        self._device = device
        try:
            self._fd: int = caller.perform(Open(where, os.O_RDONLY, 0))
        except FileNotFoundError as error:
            raise FileNotFoundError(f"No such file or directory: {shown}") from error
        self._is_open = True
        try:
            self._start, header = self._header(rust)
        except BaseException:
            self._close()
            raise
        self._metadata: dict[str, str] | None = header.pop("__metadata__", None)
        self._tensors: dict[str, Any] = header

    def __enter__(self) -> LazyTensors:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def keys(self) -> list[str]:
        """Names of the tensors, sorted."""
        self._require_open()
        return sorted(self._tensors)

    def offset_keys(self) -> list[str]:
        """Names of the tensors in the order of the file."""
        self._require_open()
        return sorted(self._tensors, key=lambda name: self._tensors[name]["data_offsets"])

    def metadata(self) -> dict[str, str] | None:
        """The text that was saved beside the tensors."""
        self._require_open()
        return self._metadata

    def get_tensor(self, name: str) -> Any:
        """Read one tensor. Raises SafetensorError for an unknown name."""
        entry = self._entry(name)
        first, last = entry["data_offsets"]
        data = self._caller.perform(Read(self._fd, last - first, self._start + first)) if last > first else b""
        if len(data) < last - first:
            text = "the file was truncated under its memory map: a real process is killed by SIGBUS here"
            raise OSError(errno.EFAULT, text)
        header = json.dumps({name: {**entry, "data_offsets": [0, last - first]}}).encode()
        tensors = importlib.import_module(f"safetensors.{self._framework}")
        tensor = tensors.load(len(header).to_bytes(8, "little") + header + data)[name]
        return tensor if self._framework == "numpy" or str(self._device) == "cpu" else tensor.to(self._device)

    def get_tensors(self) -> dict[str, Any]:
        """Read every tensor, in the order of the file."""
        return {name: self.get_tensor(name) for name in self.offset_keys()}

    def get_slice(self, name: str) -> TensorSlice:
        """A view of one tensor that reads it when it is indexed. Raises SafetensorError for an unknown name."""
        return TensorSlice(self, name, self._entry(name))

    def _entry(self, name: str) -> dict[str, Any]:
        self._require_open()
        entry: dict[str, Any] | None = self._tensors.get(name)
        if entry is None:
            raise self._error(f"File does not contain tensor {name}")
        return entry

    def _require_open(self) -> None:
        if not self._is_open:
            raise self._error("File is closed")

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._caller.perform(Close(self._fd))

    def _header(self, rust: Any) -> tuple[int, dict[str, Any]]:
        """Where the tensors' bytes begin, and the header, which the library itself checks as far as it goes."""
        found = self._caller.perform(Stat(self._fd))
        if S_ISDIR(found.mode):
            raise OSError("No such device (os error 19)")
        text: bytes = self._caller.perform(Read(self._fd, PAGE, 0))
        start = 8 + int.from_bytes(text[:8], "little")
        if len(text) == PAGE < start <= found.size:
            text += self._caller.perform(Read(self._fd, start - PAGE, PAGE))
        text = text[:start]
        try:
            rust.deserialize(text)
        except self._error as error:
            if not any(word in str(error) for word in _INCOMPLETE):
                raise self._error(str(error).replace("deserializing:", "deserializing header:")) from None
            header: dict[str, Any] = json.loads(text[8:])
            end = max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
            if start + end != found.size:
                raise self._error(str(error).replace("deserializing:", "deserializing header:")) from None
        else:
            header = json.loads(text[8:])
        return start, header


class TensorSlice:
    """What ``get_slice`` gives."""

    def __init__(self, tensors: LazyTensors, name: str, entry: dict[str, Any]) -> None:
        self._tensors = tensors
        self._name = name
        self._entry = entry

    def get_shape(self) -> list[int]:
        """The tensor's shape."""
        return list(self._entry["shape"])

    def get_dtype(self) -> str:
        """The tensor's type, as the file names it."""
        return str(self._entry["dtype"])

    def __getitem__(self, index: Any) -> Any:
        return self._tensors.get_tensor(self._name)[index]
