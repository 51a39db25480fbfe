"""Whether a directory on a real disk holds a whole checkpoint, told by what it holds alone.

Known are the layouts of Hugging Face's Trainer (with or without DeepSpeed below it), DeepSpeed, torch's distributed
checkpoints, and models in safetensors or torch's zip form, sharded by an index or not. The names are those that these
libraries give; docs of each: transformers.Trainer, deepspeed.runtime.engine, torch.distributed.checkpoint,
https://github.com/huggingface/safetensors (format), torch.serialization.
"""

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

_LONGEST_HEADER: Final = 100 << 20
"""Bytes; what the safetensors library accepts."""
_ZIP_END: Final = b"PK\x05\x06"
_ZIP_BEGIN: Final = b"PK\x03\x04"
_LONGEST_END: Final = 22 + (1 << 16)
_RANK_FILES: Final = (
    re.compile(r"(?P<before>rng_state_)(?P<rank>\d+)(?P<after>\.pth)"),
    re.compile(r"(?P<before>(?:bf16_|fp16_)?zero_pp_rank_)(?P<rank>\d+)(?P<after>_mp_rank_\d+_optim_states\.pt)"),
    re.compile(r"(?P<before>__)(?P<rank>\d+)(?P<after>_\d+\.distcp)"),
)
"""Files of which every rank writes one."""
_WEIGHTS: Final = (
    "model.safetensors",
    "pytorch_model.bin",
    "adapter_model.safetensors",
    "adapter_model.bin",
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
)


def missing(directory: Path, world_size: int) -> str | None:
    """What keeps the directory from being a whole checkpoint, in words; None where nothing does.

    ``world_size`` is the number of ranks that saved it. A directory of no known layout is no checkpoint either.
    """
    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        return str(error.strerror)
    kind = _kind(names)
    if kind is None:
        return "no file of a known checkpoint layout"
    return _LAYOUTS[kind][1](directory, names, world_size)


def kind_of(directory: Path) -> int | None:
    """Of which layout the directory is a checkpoint, whole or not; None for none.

    The smaller the number, the more the layout holds: the Trainer's begins as a mere model, or as one of DeepSpeed.
    """
    try:
        return _kind(os.listdir(directory))
    except OSError:
        return None


def is_whole(directory: Path, world_size: int) -> bool:
    """Whether the directory is a whole checkpoint of a known layout."""
    return missing(directory, world_size) is None


def _kind(names: list[str]) -> int | None:
    return next((place for place, (sign, _) in enumerate(_LAYOUTS) if sign(names)), None)


def _trainer(directory: Path, names: list[str], world_size: int) -> str | None:
    """Transformers' Trainer: the state, the weights (its own, or DeepSpeed's), and each rank's random state."""
    return (
        _json(directory / "trainer_state.json")
        or _model(directory, names)
        or _each_rank(names, world_size)
        or _files(directory, [name for name in names if name.endswith((".pt", ".pth"))])
    )


def _model(directory: Path, names: list[str]) -> str | None:
    """Weights in one file, or sharded by an index; or a directory of DeepSpeed's or torch's distributed files."""
    for name in _WEIGHTS:
        if name in names:
            return _index(directory, name) if name.endswith(".index.json") else _files(directory, [name])
    inner = [name for name in names if name.startswith(("global_step", "pytorch_model_fsdp"))]
    for name in inner:
        below = sorted(os.listdir(directory / name))
        return _deepspeed_step(directory / name, below) if name.startswith("global") else _dcp(directory / name, below)
    return "no weights"


def _deepspeed(directory: Path, names: list[str], world_size: int) -> str | None:
    """DeepSpeed: ``latest`` names the directory of the step, which holds every rank's optimizer state."""
    try:
        tag = (directory / "latest").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        return f"latest: {error}"
    try:
        below = sorted(os.listdir(directory / tag))
    except OSError as error:
        return f"{tag}: {error.strerror}"
    return _deepspeed_step(directory / tag, below) or _each_rank(below, world_size)


def _deepspeed_step(directory: Path, names: list[str]) -> str | None:
    states = [name for name in names if name.endswith("_states.pt")]
    return _files(directory, states) if states else f"{directory.name}: no states"


def _distributed(directory: Path, names: list[str], world_size: int) -> str | None:
    """torch.distributed.checkpoint: ``.metadata`` is written last, by one rank, when all have written."""
    return _dcp(directory, names) or _each_rank(names, world_size)


def _dcp(directory: Path, names: list[str]) -> str | None:
    if ".metadata" not in names:
        return ".metadata is missing"
    return _files(directory, [name for name in names if name.endswith(".distcp") or name == ".metadata"])


def _plain_model(directory: Path, names: list[str], world_size: int) -> str | None:
    return _model(directory, names)


def _each_rank(names: Iterable[str], world_size: int) -> str | None:
    """Every rank has a file of each kind of which one has; some kinds are written by one rank of each node only."""
    found: dict[str, set[int]] = {}
    for name in names:
        for pattern in _RANK_FILES:
            match = pattern.fullmatch(name)
            if match is not None:
                found.setdefault(match["before"] + "*" + match["after"], set()).add(int(match["rank"]))
    for kind, ranks in sorted(found.items()):
        absent = sorted(set(range(world_size)) - ranks)
        if absent:
            return f"{kind.replace('*', str(absent[0]))} is missing"
    return None


def _index(directory: Path, name: str) -> str | None:
    try:
        shards = set(json.loads((directory / name).read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError) as error:
        return f"{name}: {error}"
    return _files(directory, sorted(shards))


def _json(path: Path) -> str | None:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        return f"{path.name}: {error.strerror}"
    except ValueError as error:
        return f"{path.name}: {error}"
    return None


def _files(directory: Path, names: Iterable[str]) -> str | None:
    """Each file is there and whole, as far as its own form tells."""
    for name in names:
        path = directory / name
        try:
            size = path.stat().st_size
            if not size:
                return f"{name} is empty"
            whole = True
            if name.endswith(".safetensors"):
                whole = _safetensors(path, size)
            elif name.endswith((".pt", ".pth", ".bin")):
                whole = _torch_archive(path, size)
        except OSError as error:
            return f"{name}: {error.strerror}"
        if not whole:
            return f"{name} is torn"
    return None


def _safetensors(path: Path, size: int) -> bool:
    """The header is whole, and so are the bytes that it promises."""
    with path.open("rb") as file:
        begin = file.read(8)
        if len(begin) < 8:
            return False
        (length,) = struct.unpack("<Q", begin)
        if length > min(size - 8, _LONGEST_HEADER):
            return False
        with suppress(ValueError, KeyError, TypeError):
            header = json.loads(file.read(length))
            ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
            return bool(size == 8 + length + max(ends, default=0))
    return False


def _torch_archive(path: Path, size: int) -> bool:
    """A zip file has its end; of the older form, a bare pickle, nothing can be said."""
    with path.open("rb") as file:
        if file.read(4) != _ZIP_BEGIN:
            return True
        file.seek(max(0, size - _LONGEST_END))
        return _ZIP_END in file.read()


_LAYOUTS: Final[tuple[tuple[Callable[[list[str]], bool], Callable[[Path, list[str], int], str | None]], ...]] = (
    (lambda names: "trainer_state.json" in names, _trainer),
    (lambda names: "latest" in names, _deepspeed),
    (lambda names: ".metadata" in names or any(name.endswith(".distcp") for name in names), _distributed),
    (lambda names: any(name in names for name in _WEIGHTS), _plain_model),
)
"""The sign by which a layout is known, and what it takes to be whole."""
