"""A scenario: cluster, workload, strategy, file system and fault budget, as data. Written as TOML or built in code."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from simulator.errors import UsageError
from simulator.faults import Faults
from simulator.memory import available_memory


class Cluster(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The machines: ``nodes`` of them, ``ranks_per_node`` ranks on each."""

    nodes: int = 2
    ranks_per_node: int = 1

    @property
    def world_size(self) -> int:
        """The number of ranks."""
        return self.nodes * self.ranks_per_node


class Workload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is trained and saved.

    ``layout`` names the files of a checkpoint, ``form`` their content: ``bytes``, ``torch``, ``safetensors``, ``size``
    (sizes without bytes) or ``sparse`` (the same, with headers as real files have them). ``model`` is needed by the
    layouts of a real model. The job does ``steps`` steps, saves every ``save_every`` and keeps ``keep`` checkpoints
    (None: all); ``best`` is the step whose metric is best (None: no metric). ``step_seconds`` is the virtual time of a
    training step. ``frozen`` adds a shard that never changes (None: if the strategy asks for it).
    """

    layout: str = "ddp"
    form: str = "bytes"
    model: str | None = None
    steps: int = 2
    save_every: int = 1
    keep: int | None = 1
    best: int | None = None
    frozen: bool | None = None
    step_seconds: float = 60.0
    options: dict[str, str | int | bool] = {}


class StrategyChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A strategy by registered name, or as ``path/to/file.py:Class``; options go to its constructor."""

    name: str
    options: dict[str, str | int | float | bool] = {}


class Budgets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where one run ends as incomplete: operations, virtual seconds of any rank, wall seconds."""

    operations: int = 100_000
    virtual_seconds: float = 1e6
    wall_seconds: float = 60.0


class FilesystemChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file system by profile name; ``options`` are those of the profile (see ``ckptrace profiles``).

    ``persistence`` is the profile of what survives a power loss (None: ``nfs`` on nfs, else ``posix-min``), single
    promises of which ``persistence_options`` replaces.
    """

    profile: str = "shared"
    persistence: str | None = None
    persistence_options: dict[str, str | bool | int | float] = {}
    options: dict[str, str | int | float | bool] = {}

    @property
    def durability(self) -> str:
        """The name of the profile of what survives a power loss."""
        return self.persistence or ("nfs" if self.profile == "nfs" else "posix-min")

    @property
    def behaviour(self) -> dict[str, str | int | float | bool]:
        """The options as they apply: a rename over a directory that is not empty gives EEXIST on XFS."""
        is_xfs = self.persistence == "xfs" and self.profile in ("local", "shared", "nfs")
        return {"rename_over": "EEXIST", **self.options} if is_xfs else self.options


class CostChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What operations cost: a profile by name, single figures overridden. No profile: time only tells the order."""

    profile: str | None = None
    overrides: dict[str, float] = {}


class CommandChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An unmodified program whose system calls are held: its ``words``, and the directory that is watched.

    It is started in ``directory`` (None: the current one), from which relative paths are taken.

    ``arm`` says from when on they are held: ``late``, from the first event that is about the directory, or ``start``.
    ``warm``: the ranks are forked from a process that has imported what the program imports. ``silence`` are the
    seconds of a rank's own time after which it ends a run if it makes no call, ``wall`` those of an attempt.

    ``boundary``: system calls could not be held, so it is Python run behind the Python boundary, on a simulated file
    system; ``arm``, ``warm``, ``silence`` and ``wall`` mean nothing then.
    """

    words: tuple[str, ...]
    watch: str
    directory: str | None = None
    arm: str = "late"
    warm: bool = True
    silence: float = 60.0
    wall: float = 600.0
    boundary: bool = False


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a run depends on besides the tape and the code under test.

    ``program`` is a plain program instead of a strategy, ``path/to/file.py:function``, or the node id of a pytest test,
    which has a double colon and can be run by pytest only; ``pick`` names the function of a plain program that says
    what a restart would take. ``command`` is an unmodified program instead. ``invariants`` are the ones that are judged
    (None: all), ``known`` the signatures of failures that are set aside: a run goes on past them.
    """

    cluster: Cluster = Cluster()
    workload: Workload = Workload()
    strategy: StrategyChoice | None = None
    program: str | None = None
    command: CommandChoice | None = None
    pick: str | None = None
    invariants: tuple[str, ...] | None = None
    known: tuple[str, ...] = ()
    filesystem: FilesystemChoice = FilesystemChoice()
    costs: CostChoice = CostChoice()
    faults: Faults = Faults()
    restarts: int = 0
    budgets: Budgets = Budgets()

    def with_files(self, placed: Callable[[str], str]) -> Scenario:
        """The same, with every Python file that it names put where ``placed`` says."""

        def moved(reference: str | None) -> str | None:
            if reference is None or ".py:" not in reference or "::" in reference:
                return reference
            file, _, name = reference.rpartition(":")
            return f"{placed(file)}:{name}"

        strategy = self.strategy
        if strategy is not None:
            strategy = msgspec.structs.replace(strategy, name=moved(strategy.name))
        return msgspec.structs.replace(self, strategy=strategy, program=moved(self.program), pick=moved(self.pick))

    def validate(self) -> None:
        """Raise UsageError, naming the key, where a value makes no sense."""
        _positive("cluster.nodes", self.cluster.nodes)
        _positive("cluster.ranks_per_node", self.cluster.ranks_per_node)
        check_room(self.cluster)
        _positive("workload.steps", self.workload.steps)
        _positive("workload.save_every", self.workload.save_every)
        if self.workload.keep is not None:
            _positive("workload.keep", self.workload.keep)
        best, steps = self.workload.best, self.workload.steps
        if best is not None and not 1 <= best <= steps:
            raise UsageError(f"workload.best: must be a step from 1 to {steps}, is {best}")
        if self.restarts < 0:
            raise UsageError(f"restarts: must not be negative, is {self.restarts}")
        if self.command is not None and self.command.arm not in ("late", "start"):
            raise UsageError(f"command.arm: must be 'late' or 'start', is {self.command.arm!r}")
        if self.workload.step_seconds < 0:
            raise UsageError(f"workload.step_seconds: must not be negative, is {self.workload.step_seconds}")
        _positive("budgets.operations", self.budgets.operations)
        for key in ("virtual_seconds", "wall_seconds"):
            value = getattr(self.budgets, key)
            if not value > 0:
                raise UsageError(f"budgets.{key}: must be above 0, is {value}")
        most = self.budgets.operations
        if self.restarts > most:
            raise UsageError(f"restarts: {self.restarts:,} are more than the {most:,} operations of budgets.operations")
        if self.strategy is not None and self.workload.steps * self.cluster.world_size > most:
            raise UsageError(
                f"workload.steps: {self.workload.steps:,} training steps of {self.cluster.world_size:,} ranks, each "
                f"with a collective at its end, are more than the {most:,} operations of budgets.operations"
            )
        self.faults.validate()
        for rule in self.faults.errors:
            for rank in rule.ranks:
                if not 0 <= rank < self.cluster.world_size:
                    raise UsageError(
                        f"faults.errors: there is no rank {rank}; the {self.cluster.world_size} ranks count from 0"
                    )
        if self.faults.slow_ranks > self.cluster.world_size:
            raise UsageError(f"faults.slow_ranks: {self.faults.slow_ranks} of only {self.cluster.world_size} ranks")
        if self.command is not None and not self.command.boundary:
            self._validate_program()
            return
        if self.faults.slow_ranks and self.costs.profile is None:
            raise UsageError("faults.slow_ranks: needs costs.profile, since without costs nobody is slower than others")
        if self.faults.stale_answers:
            raise UsageError(
                "faults.stale_answers: is for unmodified programs; here a file system has views of its own"
            )

    def _validate_program(self) -> None:
        """What cannot be done to the calls of an unmodified program."""
        for rule in self.faults.errors:
            if rule.effect not in ("fail", "hang"):
                raise UsageError(f"faults.errors: a call of a real program can fail or hang, not be {rule.effect!r}")
        for field in ("power_losses", "clock_skew", "clock_drift"):
            if getattr(self.faults, field):
                raise UsageError(f"faults.{field}: cannot be done to a real program")


_UNKNOWN = re.compile(r"unknown field `[^`]*`(?: - at `\$\.?([^`]*)`)?$")


def _known_keys(message: str) -> str:
    """``; its keys are …`` for the table in which msgspec has found a key that is none."""
    found = _UNKNOWN.search(message)
    if found is None:
        return ""
    table: Any = msgspec.inspect.type_info(Scenario)
    for key in re.findall(r"\w+", re.sub(r"\[[^]]*\]", "", found.group(1) or "")):
        table = _struct_in(next(field.type for field in table.fields if field.encode_name == key))
    return f"; its keys are {', '.join(field.encode_name for field in table.fields)}"


def _struct_in(kind: Any) -> Any:
    """The table that a value of this type is, or holds."""
    if isinstance(kind, msgspec.inspect.UnionType):
        return next(each for each in map(_struct_in, kind.types) if isinstance(each, msgspec.inspect.StructType))
    return _struct_in(kind.item_type) if isinstance(kind, msgspec.inspect.VarTupleType) else kind


def _beyond(value: Any, key: str = "") -> str | None:
    """The key of a whole number that no machine word holds, if there is one."""
    if isinstance(value, dict):
        items = ((f"{key}.{name}" if key else str(name), item) for name, item in value.items())
    elif isinstance(value, list | tuple):
        items = ((key, item) for item in value)
    else:
        return key if isinstance(value, int) and not -(2**63) <= value < 2**63 else None
    return next((found for name, item in items if (found := _beyond(item, name)) is not None), None)


def _positive(key: str, value: float) -> None:
    if value < 1:
        raise UsageError(f"{key}: must be at least 1, is {value}")


_BYTES_OF_A_RANK = 200_000
"""Its stack, program and descriptors: measured, 1,000 ranks of staged-barrier take 200 MB."""
_BYTES_OF_A_PAIR = 8
"""Each step of a rank in a collective names all ranks of the communicator."""


def check_room(cluster: Cluster, each: int = _BYTES_OF_A_RANK, pair: int = _BYTES_OF_A_PAIR) -> None:
    """Raise UsageError, before anything is allocated, for more ranks than this machine has memory for.

    So many bytes are needed at the least for each rank, and for each pair of ranks.
    """
    count = cluster.world_size
    needed, available = count * each + count * count * pair, available_memory()
    if available is not None and needed > available:
        raise UsageError(
            f"cluster: {count:,} ranks need {needed / 1e9:.3g} GB of memory at the least, {available / 1e9:.3g} GB are "
            "available"
        )


def load(path: Path) -> Scenario:
    """Read a scenario file. Raises UsageError with the file and the offending key."""
    return from_table(read_table(path), str(path))


def read_table(path: Path) -> dict[str, Any]:
    """The table of a TOML file. Raises UsageError, naming the file, where there is none."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text") from error
    except RecursionError as error:
        raise UsageError(f"{path}: nested too deeply") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}") from error
    except ValueError as error:  # What Python's own limit of digits raises.
        raise UsageError(f"{path}: a number in it has more digits than any machine word holds") from error


def from_table(table: dict[str, Any], origin: str) -> Scenario:
    """A scenario from plain data, as a TOML file or a trace holds it. ``origin`` names it in messages."""
    key = _beyond(table)
    if key is not None:
        raise UsageError(f"{origin}: {key}: no number here has more than 64 bits")
    try:
        scenario = msgspec.convert(table, Scenario)
    except msgspec.ValidationError as error:
        raise UsageError(f"{origin}: {error}{_known_keys(str(error))}") from error
    try:
        scenario.validate()
    except UsageError as error:
        raise UsageError(f"{origin}: {error}") from error
    return scenario
