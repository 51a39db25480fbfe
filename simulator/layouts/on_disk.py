"""Whether a path on a real disk holds a whole checkpoint, told by what it holds alone; and what it lacks.

Known are the layouts of Hugging Face's Trainer (with DDP, FSDP, PEFT or DeepSpeed below it), accelerate, DeepSpeed,
Megatron-LM, Orbax, torch's distributed checkpoints, Lightning's files, and models in safetensors or torch's zip form,
sharded by an index or not. The names are those that these libraries give; so is what each of them resumes without:
transformers.Trainer (``_load_rng_state``, ``_load_optimizer_and_scheduler``), accelerate.checkpointing
(``load_accelerator_state``), deepspeed.runtime.engine, megatron.training.checkpointing, orbax.checkpoint (step
directories), torch.distributed.checkpoint, https://github.com/huggingface/safetensors (format), torch.serialization.
"""

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

import msgspec

_LONGEST_HEADER: Final = 100 << 20
"""Bytes; what the safetensors library accepts."""
_ZIP_END: Final = b"PK\x05\x06"
_ZIP_BEGIN: Final = b"PK\x03\x04"
_LONGEST_END: Final = 22 + (1 << 16)
_WEIGHTS: Final = (
    "model.safetensors",
    "pytorch_model.bin",
    "adapter_model.safetensors",
    "adapter_model.bin",
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
    "pytorch_model_fsdp.bin",
)
_WEIGHTS_BEGIN: Final = ("model", "pytorch_model", "adapter_model")
_RANDOM_STATE: Final = re.compile(r"rng_state_(\d+)\.pth")
_RANDOM_STATES: Final = re.compile(r"random_states_(\d+)\.pkl")
_ZERO_STATE: Final = re.compile(r"((?:bf16_|fp16_)?zero_pp_rank_)(\d+)(_mp_rank_)(\d+)(_(?:optim|model)_states\.pt)")
_DISTRIBUTED: Final = re.compile(r"__(\d+)_(\d+)\.distcp")
_NAMED_IN_METADATA: Final = re.compile(rb"__\d+_\d+\.distcp")
_STATE: Final = (".pt", ".pth", ".bin", ".safetensors", ".distcp", ".pkl", ".ckpt", ".npz")
_USES: Final = {
    "optimizer.pt": "the optimizer's state, which starts anew",
    "scheduler.pt": "the learning rate's schedule, which starts anew, and so does the optimizer",
    "scaler.pt": "the scale of the gradients",
}
_STAGING: Final = ("tmp-", ".tmp", "tmp_")
_STAGING_OF_ORBAX: Final = ".orbax-checkpoint-tmp"

State = Literal["whole", "degraded", "lost"]
"""Resumed from as if nothing had happened; resumed from, but not exactly; not resumed from."""


class Lack(msgspec.Struct, frozen=True):
    """What a checkpoint lacks: the file's name in it, what is wrong with that (``is missing``), and what it is for.

    ``tolerated``: the library resumes without it, though not exactly.
    """

    name: str
    problem: str = "is missing"
    use: str = ""
    tolerated: bool = False

    @property
    def overwritten(self) -> bool:
        """Whether the file is there, with less in it than it must have."""
        return self.problem in (_EMPTY, _TORN)

    def __str__(self) -> str:
        return f"{self.name} {self.problem}" + (f" ({self.use})" if self.use else "")


_EMPTY: Final = "is empty"
_NO_WEIGHTS: Final = "nor are there weights of any other form"
_TORN: Final = "is torn"


class Checkpoint(msgspec.Struct, frozen=True):
    """What is known of a checkpoint, whole or not.

    The smaller ``kind`` is, the more its ``layout`` holds: the Trainer's begins as a mere model, or as one of
    DeepSpeed.
    """

    layout: str
    kind: int
    lacks: tuple[Lack, ...] = ()

    @property
    def state(self) -> State:
        """What a restart could make of it."""
        if not self.lacks:
            return "whole"
        return "degraded" if all(lack.tolerated for lack in self.lacks) else "lost"


class _Layout(msgspec.Struct, frozen=True):
    """``sign``: by which of its names a directory is known as one. ``inside``: which directories in it are parts of it.

    ``remembers``: nothing in it says which files it must have, so it is those that it had when it was whole: ``all`` of
    them, or those beside its ``state``, which are called the same in every checkpoint of a job. Without one the library
    resumes, if it ``tolerates`` that.
    """

    name: str
    sign: Callable[[list[str]], bool]
    lacks: Callable[[Path, list[str], int], Iterator[Lack]]
    inside: Callable[[str], bool]
    remembers: Literal["nothing", "state", "all"] = "nothing"
    tolerates: bool = False


def checkpoint_at(path: Path, world_size: int) -> Checkpoint | None:
    """The checkpoint that a directory, or a file of Lightning's, is; None where it is of no known layout.

    ``world_size`` is the number of ranks that saved it.
    """
    try:
        if path.name.endswith(_FILE) and not path.is_dir():
            return Checkpoint("Lightning", len(_LAYOUTS), tuple(_files(path.parent, [path.name])))
        names = sorted(os.listdir(path))
    except OSError:
        return None
    for kind, layout in enumerate(_LAYOUTS):
        if layout.sign(names):
            return Checkpoint(layout.name, kind, tuple(layout.lacks(path, names, world_size)))
    return None


def is_whole(path: Path, world_size: int) -> bool:
    """Whether the path is a whole checkpoint of a known layout."""
    found = checkpoint_at(path, world_size)
    return found is not None and found.state == "whole"


def is_file_of_one(name: str) -> bool:
    """Whether a file of this name is a whole checkpoint by itself."""
    return name.endswith(_FILE) and not is_staging(name)


def is_staging(name: str) -> bool:
    """Whether a library writes a checkpoint under such a name before it publishes it."""
    return name.startswith(_STAGING) or _STAGING_OF_ORBAX in name


def is_inside(kind: int, name: str) -> bool:
    """Whether a directory of that name in a checkpoint of the kind is a part of it, and no checkpoint by itself."""
    return kind < len(_LAYOUTS) and _LAYOUTS[kind].inside(name)


def held_by(path: Path, found: Checkpoint) -> frozenset[str]:
    """The files of a whole checkpoint that nothing in it names, and that must stay all the same."""
    remembers = _LAYOUTS[found.kind].remembers if found.kind < len(_LAYOUTS) else "nothing"
    if remembers == "state":
        return frozenset(name for name in os.listdir(path) if name.endswith(_STATE))
    if remembers == "all":
        places = ((os.path.relpath(directory, path), files) for directory, _, files in os.walk(path))
        return frozenset(name if at == "." else f"{at}/{name}" for at, files in places for name in files)
    return frozenset()


def is_usual(found: Checkpoint) -> bool:
    """Whether what one such checkpoint of a job holds, the others have to have as well."""
    return found.kind < len(_LAYOUTS) and _LAYOUTS[found.kind].remembers == "state"


def without(found: Checkpoint, gone: Iterable[str]) -> Checkpoint:
    """The same checkpoint, lacking these files as well, which it had when it was whole."""
    gone = set(gone)
    # Which form the weights have is known then.
    before = tuple(lack for lack in found.lacks if lack.use != _NO_WEIGHTS or gone.isdisjoint(_WEIGHTS))
    named = {lack.name for lack in before}
    tolerates = found.kind < len(_LAYOUTS) and _LAYOUTS[found.kind].tolerates
    lacks = [
        Lack(
            name,
            use=_USES.get(name, "which was there"),
            tolerated=(tolerates and not name.startswith(_WEIGHTS_BEGIN)) or _is_random_state(name),
        )
        for name in sorted(gone)
        if name not in named
    ]
    return msgspec.structs.replace(found, lacks=(*before, *lacks))


def _is_random_state(name: str) -> bool:
    return _RANDOM_STATE.fullmatch(name) is not None or _RANDOM_STATES.fullmatch(name) is not None


# -- each layout ---------------------------------------------------------------------------------------------------


def _trainer(directory: Path, names: list[str], world_size: int) -> Iterator[Lack]:
    """Transformers' Trainer: its state, the weights (its own, FSDP's or DeepSpeed's), and what makes it exact."""
    yield from _json(directory, "trainer_state.json", "the step that it is of")
    yield from _model(directory, names, world_size)
    random = {int(match[1]) for name in names if (match := _RANDOM_STATE.fullmatch(name))}
    if random:
        for rank in sorted(set(range(world_size)) - random):
            yield Lack(f"rng_state_{rank}.pth", use=f"rank {rank}'s random state", tolerated=True)
    for name in names:
        if name.startswith("optimizer_") and (directory / name).is_dir():
            yield from _below(directory, name, _dcp)
    yield from _files(directory, [name for name in names if name.endswith((".pt", ".pth")) or name == "optimizer.bin"])


def _accelerate(directory: Path, names: list[str], world_size: int) -> Iterator[Lack]:
    """Accelerate's ``save_state``: the weights, and a random state of each rank, whose absence is logged only."""
    yield from _model(directory, names, world_size)
    random = {int(match[1]) for name in names if (match := _RANDOM_STATES.fullmatch(name))}
    for rank in sorted(set(range(world_size)) - random):
        yield Lack(f"random_states_{rank}.pkl", use=f"rank {rank}'s random state", tolerated=True)
    for name in names:
        if name.startswith("optimizer_") and (directory / name).is_dir():
            yield from _below(directory, name, _dcp)
    wanted = [name for name in names if name.endswith((".bin", ".pt", ".pkl")) and not _RANDOM_STATES.fullmatch(name)]
    yield from _files(directory, [name for name in wanted if name not in _WEIGHTS])


def _weights(directory: Path, names: list[str], world_size: int) -> Iterator[Lack]:
    """Weights in one file, or sharded by an index."""
    name = next(name for name in _WEIGHTS if name in names)
    yield from _index(directory, name) if name.endswith(".index.json") else _files(directory, [name])


def _model(directory: Path, names: list[str], world_size: int) -> Iterator[Lack]:
    """Weights, and what there is of DeepSpeed's or torch's distributed files beside them or in their place."""
    if any(name in names for name in _WEIGHTS):
        yield from _weights(directory, names, world_size)
    else:
        inner = [name for name in names if name.startswith(("global_step", "pytorch_model"))]
        if not inner:
            adapter = "adapter_config.json" in names
            yield Lack(f"{'adapter_' * adapter}model.safetensors", use=_NO_WEIGHTS)
    for name in names:
        if name.startswith("pytorch_model_fsdp_"):
            yield from _below(directory, name, _dcp)
    if "latest" in names or any(name.startswith("global_step") for name in names):
        yield from _deepspeed(directory, names, world_size)
    elif "pytorch_model" in names:
        yield from _below(directory, "pytorch_model", lambda path, below: _deepspeed(path, below, world_size))


def _deepspeed(directory: Path, names: list[str], world_size: int) -> Iterator[Lack]:
    """DeepSpeed: ``latest`` names the directory of the step, which holds every rank's states."""
    try:
        tag = (directory / "latest").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        yield Lack("latest", _problem(error), "which step to resume from")
        return
    if not tag:
        yield Lack("latest", _EMPTY, "which step to resume from")
        return
    yield from _below(directory, tag, lambda path, below: _step_of_deepspeed(path, below, world_size))


def _step_of_deepspeed(directory: Path, names: list[str], world_size: int) -> Iterator[Lack]:
    states = [name for name in names if name.endswith("_states.pt")]
    if not any(name.endswith("model_states.pt") for name in states):
        yield Lack("mp_rank_00_model_states.pt", use="the weights")
    kinds: dict[tuple[str, str, str], set[tuple[int, int]]] = {}
    for name in names:
        match = _ZERO_STATE.fullmatch(name)
        if match is not None:
            before, rank, between, part, after = match.groups()
            kinds.setdefault((before, between, after), set()).add((int(rank), int(part)))
    for (before, between, after), found in sorted(kinds.items()):
        parts = sorted({part for _, part in found})
        # Ranks of the same model-parallel group share the parameters: each has its data-parallel share of one part.
        for rank in range(max(1, world_size // len(parts))):
            for part in parts:
                if (rank, part) not in found:
                    yield Lack(f"{before}{rank}{between}{part:02}{after}", use="a rank's share of the states")
    yield from _files(directory, states)


def _megatron(directory: Path, names: list[str], world_size: int) -> Iterator[Lack]:
    """Megatron-LM: a tracker names the iteration; its directory is a distributed checkpoint, or one a model rank."""
    tracker = "latest_checkpointed_iteration.txt"
    try:
        said = (directory / tracker).read_text(encoding="utf-8").strip()
        step = "release" if said == "release" else f"iter_{int(said):07d}"
    except (OSError, ValueError) as error:
        yield Lack(tracker, _problem(error), "which iteration to resume from")
        return
    yield from _below(directory, step, _iteration)


def _iteration(directory: Path, names: list[str]) -> Iterator[Lack]:
    if any(name == ".metadata" or name.endswith(".distcp") for name in names):
        yield from _dcp(directory, names)
        yield from _files(directory, [name for name in ("common.pt",) if name in names])
        return
    ranks = [name for name in names if name.startswith("mp_rank_")]
    if not ranks:
        yield Lack(".metadata", use="what the iteration holds")
    for name in ranks:
        yield from _below(directory, name, lambda path, _: _files(path, ["model_optim_rng.pt"]))


def _orbax(directory: Path, names: list[str], world_size: int) -> Iterator[Lack]:
    """Orbax renames a directory of a step when it is complete; its JSON says what is in it."""
    for name in ("_CHECKPOINT_METADATA", "_METADATA"):
        if name in names:
            yield from _json(directory, name, "what the step holds")
    for name in names:
        if (directory / name / "_METADATA").exists():
            yield from _below(directory, name, lambda path, _: _json(path, "_METADATA", "what the item holds"))


def _distributed(directory: Path, names: list[str], world_size: int) -> Iterator[Lack]:
    """torch.distributed.checkpoint: ``.metadata`` is written last, by one rank, when all have written."""
    yield from _dcp(directory, names)


def _dcp(directory: Path, names: list[str]) -> Iterator[Lack]:
    """What ``.metadata`` names is there: a pickle, of which only the names are read."""
    try:
        named = {match.decode() for match in _NAMED_IN_METADATA.findall((directory / ".metadata").read_bytes())}
    except OSError as error:
        yield Lack(".metadata", _problem(error), "which rank wrote what")
        return
    there = {name for name in names if _DISTRIBUTED.fullmatch(name)}
    if not named and not there:
        yield Lack("__0_0.distcp", use="what rank 0 wrote")
    yield from _files(directory, [".metadata", *sorted(named or there)])


# -- files ---------------------------------------------------------------------------------------------------------


def _below(directory: Path, name: str, lacks: Callable[[Path, list[str]], Iterator[Lack]]) -> Iterator[Lack]:
    """What a directory in the checkpoint lacks."""
    try:
        below = sorted(os.listdir(directory / name))
    except OSError as error:
        yield Lack(name, _problem(error))
        return
    for lack in lacks(directory / name, below):
        yield msgspec.structs.replace(lack, name=f"{name}/{lack.name}")


def _index(directory: Path, name: str) -> Iterator[Lack]:
    try:
        shards = set(json.loads((directory / name).read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        yield Lack(name, _problem(error), "which shard holds what")
        return
    yield from _files(directory, sorted(map(str, shards)))


def _json(directory: Path, name: str, use: str) -> Iterator[Lack]:
    try:
        text = (directory / name).read_bytes()
        if not text:
            yield Lack(name, _EMPTY, use)
            return
        json.loads(text)
    except (OSError, ValueError) as error:
        yield Lack(name, _problem(error), use)


def _problem(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "is missing"
    return f"cannot be read: {error.strerror}" if isinstance(error, OSError) else _TORN


def _files(directory: Path, names: Iterable[str]) -> Iterator[Lack]:
    """Each file is there and whole, as far as its own form tells."""
    for name in names:
        path = directory / name
        try:
            size = path.stat().st_size
            if not size:
                yield Lack(name, _EMPTY)
                continue
            whole = True
            if name.endswith(".safetensors"):
                whole = _safetensors(path, size)
            elif name.endswith((".pt", ".pth", ".bin", ".ckpt")):
                whole = path.is_dir() or _torch_archive(path, size)
        except OSError as error:
            yield Lack(name, _problem(error))
            continue
        if not whole:
            yield Lack(name, _TORN)


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


_FILE: Final = ".ckpt"


def _everything(name: str) -> bool:
    return True


def _nothing(name: str) -> bool:
    return False


def _parts(name: str) -> bool:
    return name.startswith(("global_step", "pytorch_model", "optimizer_"))


_LAYOUTS: Final[tuple[_Layout, ...]] = (
    _Layout("Trainer", lambda names: "trainer_state.json" in names, _trainer, _parts, "state", tolerates=True),
    _Layout("accelerate", lambda names: any(map(_RANDOM_STATES.fullmatch, names)), _accelerate, _everything, "state"),
    _Layout("DeepSpeed", lambda names: "latest" in names, _deepspeed, _nothing),
    _Layout(
        "Megatron-LM",
        lambda names: "latest_checkpointed_iteration.txt" in names,
        _megatron,
        lambda name: name == "release" or name.startswith("iter_"),
    ),
    _Layout(
        "Orbax",
        lambda names: "_CHECKPOINT_METADATA" in names or "_METADATA" in names,
        _orbax,
        _everything,
        "all",
    ),
    _Layout(
        "torch.distributed.checkpoint",
        lambda names: ".metadata" in names or any(map(_DISTRIBUTED.fullmatch, names)),
        _distributed,
        _everything,
    ),
    _Layout("model", lambda names: any(name in names for name in _WEIGHTS), _weights, _nothing),
)
