"""``ckptrace races``: which operations of a recorded run race, whether or not it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.cli.options import Json, TraceFile, TrustTrace

if TYPE_CHECKING:
    from simulator.campaigns.command.steering import Steered
    from simulator.campaigns.replay.racing import Race, Side


def races(trace: TraceFile, trust: TrustTrace = False, json: Json = None) -> int:
    """List the pairs of conflicting operations of a recorded run that no collective orders.

    ckptrace run --record FILE keeps a run; ckptrace run --confirm-races tries each pair the other way round.
    """
    from simulator.campaigns.command.fallback import holds_calls
    from simulator.campaigns.replay.racing import missing_from, races_of
    from simulator.campaigns.trust import Trust, announced
    from simulator.cli.output import check_file, say, write_json
    from simulator.reports.terminal import console_for
    from simulator.scenario import from_table
    from simulator.trace import load

    recorded = load(trace)
    from_table(recorded.scenario, str(trace))
    check_file(json)
    trusted = Trust(everything=trust)
    for line in [] if holds_calls(recorded.scenario) else announced(recorded, trusted):
        say(f"{trace}: {line}")
    found, missing = races_of(recorded, trust=trusted), missing_from(recorded)
    if json != "-":
        console = console_for()
        for race in found:
            for line in lines_of(race):
                console.print(line, soft_wrap=True, highlight=False, markup=False)
        console.print(f"{len(found)} {'race' if len(found) == 1 else 'races'}")
        if missing is not None:
            console.print(missing, soft_wrap=True, highlight=False, markup=False)
    if json is not None:
        tables = [table_of(race) for race in found]
        write_json({"trace": str(trace), "digest": recorded.digest, "races": tables, "missing": missing}, json)
    return 0


def lines_of(race: Race, steered: Steered | None = None) -> list[str]:
    """A race in three lines or four: the two operations, what they are about, and what became of it."""
    lines = [
        f"{_in_words(race.first)}",
        f"  and {_in_words(race.second)}",
        f"  about {race.about}" + (f", attempt {race.attempt}" if race.attempt else ""),
    ]
    if steered is not None:
        if steered.depth:
            pairs = "1 other pair" if steered.depth == 1 else f"{steered.depth} other pairs"
            lines.append(f"  in a run with {pairs} reversed")
        lines.append(f"  {steered.outcome}" + (f": {steered.text}" if steered.text else ""))
    return lines


def table_of(race: Race, steered: Steered | None = None) -> dict[str, Any]:
    """A race for JSON."""
    import msgspec

    table: dict[str, Any] = msgspec.to_builtins(race)
    return (
        table
        if steered is None
        else {
            **table,
            "outcome": steered.outcome,
            "text": steered.text,
            "depth": steered.depth,
        }
    )


def _in_words(side: Side) -> str:
    place = f" ({side.site})" if side.site else ""
    return f"rank {side.rank}: {side.operation}, operation {side.n} of task {side.task}{place}"
