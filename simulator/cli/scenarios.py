"""The scenario that a command line asks for: a file, overridden by options."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from simulator.cli.error_rules import error_rule
from simulator.cli.options import ScenarioOptions, pairs_of
from simulator.errors import UsageError
from simulator.scenario import FilesystemChoice, Scenario, StrategyChoice, load

_Part = TypeVar("_Part", bound=msgspec.Struct)


def scenario_of(file: Path | None, options: ScenarioOptions) -> Scenario:
    """The scenario of a file, if there is one, with what the options say instead. Raises UsageError, naming the key."""
    return with_options(beside(file, load(file)) if file is not None else Scenario(), options)


def with_options(base: Scenario, options: ScenarioOptions) -> Scenario:
    """A scenario with what the options say instead. Raises UsageError, naming the key."""
    scenario = msgspec.structs.replace(
        base,
        cluster=_with(base.cluster, nodes=options.nodes, ranks_per_node=options.ranks_per_node),
        workload=_with(
            base.workload,
            layout=options.layout,
            model=options.model,
            form=options.form,
            steps=options.steps,
            save_every=options.save_every,
            best=options.best,
            frozen=options.frozen,
            **_keep(options.keep),
        ),
        filesystem=_filesystem(base.filesystem, options),
        faults=_with(
            base.faults,
            kills=options.kills,
            node_kills=options.node_kills,
            node_hangs=options.node_hangs,
            power_losses=options.power_losses,
            slow_ranks=options.slow_ranks,
            errors=tuple(error_rule(text) for text in options.error) or None,
            job_death=options.job_death,
        ),
        **_code(base, options),
        **_given(restarts=options.restarts, invariants=_names(options.invariants)),
    )
    if scenario.strategy is None and scenario.program is None:
        raise UsageError("nothing to test: give --strategy, --program, or a scenario file that names one of them")
    if scenario.strategy is not None and scenario.program is not None:
        raise UsageError("strategy and program: a scenario tests one of them, not both")
    if scenario.pick is not None and scenario.strategy is not None:
        raise UsageError("pick: a strategy has a pick of its own")
    scenario.validate()
    return scenario


def _filesystem(base: FilesystemChoice, options: ScenarioOptions) -> FilesystemChoice:
    """The file system; another profile than the file's does not have the file's options."""
    given = pairs_of(options.fs_option, "--fs-option")
    kept = base.options if options.fs in (None, base.profile) else {}
    return _with(base, profile=options.fs, options={**kept, **given}, persistence=options.persistence)


def _code(base: Scenario, options: ScenarioOptions) -> dict[str, Any]:
    """What is under test. An option replaces whatever the file tests."""
    given = pairs_of(options.option, "--option")
    if options.strategy is not None and options.program is not None:
        raise UsageError("--strategy and --program: give one of them, not both")
    if options.program is not None:
        if given:
            raise UsageError("--option: a plain program has no options")
        return {"strategy": None, "program": options.program, **_given(pick=options.pick)}
    if options.strategy is not None:
        return {"strategy": StrategyChoice(options.strategy, given), "program": None, "pick": options.pick}
    if given:
        if base.strategy is None:
            raise UsageError("--option: there is no strategy that could take it")
        strategy = StrategyChoice(base.strategy.name, {**base.strategy.options, **given})
        return {"strategy": strategy, **_given(pick=options.pick)}
    return _given(pick=options.pick)


def _keep(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    if text == "all":
        return {"keep": None}
    try:
        return {"keep": int(text)}
    except ValueError as error:
        raise UsageError(f"--keep: must be a number or all, is {text!r}") from error


def _names(text: str | None) -> tuple[str, ...] | None:
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text is not None else None


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _with(part: _Part, *, keep: Any = msgspec.UNSET, **values: Any) -> _Part:
    """A part of a scenario with the values that were given; ``keep`` may be given as None."""
    changes = _given(**values)
    if keep is not msgspec.UNSET:
        changes["keep"] = keep
    return msgspec.structs.replace(part, **changes) if changes else part


def beside(file: Path, scenario: Scenario) -> Scenario:
    """Files that a scenario names lie beside it, unless they are found from the current directory."""

    def found(place: str) -> str:
        beside = file.parent / place
        return str(beside) if not Path(place).exists() and beside.exists() else place

    return scenario.with_files(found)
