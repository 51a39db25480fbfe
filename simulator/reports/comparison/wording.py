"""What is said of a comparison, the same in every medium: the answer, the verdicts, the figures of a strategy."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from simulator.campaigns.comparison.outcome import Cell, Compared, Comparison, Measured, Request
from simulator.campaigns.comparison.situations import Situation
from simulator.costs.intervals import DALY, GOODPUT, SOURCES, SYMBOLS, YOUNG
from simulator.invariants.violation import gravity_of
from simulator.layouts import shape_of
from simulator.reports.comparison.quantities import duration, rate, share, size
from simulator.reports.setting import setting

SAID = {
    "certified": "certified",
    "clean": "sampled",
    "incomplete": "incomplete",
    "not judged": "not judged",
}
"""A verdict in a word, where nothing is violated."""

SHAPE = "size"
"""The heading, where there is little room, of what was seen at the job's own size."""

MOST_NAMED = 2
"""So many violated invariants are named where there is little room."""

ALIKE = 0.001
"""Goodputs that differ by less are said to be the same."""


class Figure(msgspec.Struct, frozen=True):
    """One figure of a strategy at the real shape, with what has to be known about it."""

    name: str
    value: str
    note: str = ""


def title(request: Request) -> str:
    """The question."""
    cluster = request.cluster
    nodes = f"{cluster.nodes} {'node' if cluster.nodes == 1 else 'nodes'}"
    ranks = f"{cluster.ranks_per_node} {'rank' if cluster.ranks_per_node == 1 else 'ranks'}"
    return f"How to save {model_name(request)} on {nodes} with {ranks}{' each' if cluster.nodes > 1 else ''}"


def model_name(request: Request) -> str:
    """The model without its publisher, or what there is instead of one."""
    shape = shape_of(request.workload)
    return "a toy model" if shape is None else shape.name.rpartition("/")[2]


def job_said(request: Request) -> str:
    """The job in a line."""
    workload = request.workload
    options = ", ".join(f"{key} {value}" for key, value in workload.options.items())
    parts = [
        f"Layout {workload.layout}" + (f" ({options})" if options else ""),
        *(["vision tower frozen"] if workload.frozen else []),
        f"file system {request.filesystem.profile}",
        f"cost profile {request.costs.profile}" + (" with changes" if request.costs.overrides else ""),
        f"{workload.steps} saves, keep {'all' if workload.keep is None else workload.keep}",
        f"a failure every {duration(request.mtbf)}",
    ]
    return ", ".join(parts) + "."


def answer(comparison: Comparison) -> list[str]:
    """What somebody who has to choose needs to know first, in a few sentences."""
    if comparison.interrupted is not None and not comparison.compared:
        return [f"{comparison.interrupted}."]
    ranked = comparison.ranked()
    safe = [each for each in ranked if not each.violated]
    count = len(ranked)
    if not safe:
        sentences = [
            f"{'The strategy' if count == 1 else f'Each of the {count} strategies'} violates something.",
            f"{ranked[0].candidate.title} does so in the fewest situations: {ranked[0].violated}.",
        ]
    else:
        names = _listed([each.candidate.title for each in safe])
        verb = "violates" if len(safe) == 1 else "violate"
        sentences = [f"Of {count} strategies, {len(safe)} {verb} nothing that was judged: {names}."]
    sentences += _price(safe or ranked)
    missing = [situation.title.lower() for situation in comparison.request.judged_in() if _unjudged(ranked, situation)]
    if missing:
        sentences.append(f"Not judged in this version or on this file system: {_listed(missing)}.")
    if comparison.interrupted is not None:
        sentences.insert(0, f"{comparison.interrupted}.")
    return sentences


def _price(chosen: Sequence[Compared]) -> list[str]:
    """What the best of them costs, how much the others differ, and where the time goes."""
    priced = [each for each in chosen if each.measured.economy is not None]
    if not priced:
        return ["None of them ever ended a save at the real shape."]
    best = priced[0]
    economy, run = best.measured.economy, best.measured.run
    assert economy is not None
    goodputs = [e.goodput for each in priced if (e := each.measured.economy) is not None and e.goodput is not None]
    spread = max(goodputs) - min(goodputs) if goodputs else 0.0
    if len(priced) > 1 and spread < ALIKE:
        sentences = [f"They cost nearly the same: a save keeps training waiting for {duration(economy.stall)}."]
    else:
        sentences = [f"With {best.candidate.title} a save keeps training waiting for {duration(economy.stall)}."]
    if economy.goodput is not None:
        sentences.append(
            f"With a save every {duration(economy.interval)}, {goodput_said(best)} of the time is training that counts."
        )
    if spread >= ALIKE:
        sentences.append(f"The others leave up to {share(spread)} less.")
    writer = max(run.usage, key=lambda rank: rank.writing)
    waiting = max(rank.longest_wait for rank in run.usage)
    if waiting > economy.stall / 4:
        sentences.append(
            f"Up to {duration(waiting)} of a save, others wait for rank {writer.rank}, which writes "
            f"{size(writer.bytes_written / max(1, len(run.saves)))} at {rate(writer.bandwidth)}."
        )
    return sentences


def _unjudged(compared: Sequence[Compared], situation: Situation) -> bool:
    return any(each.verdict(situation.name) == "not judged" for each in compared)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def verdict_said(each: Compared, situation: Situation) -> str:
    """The verdict of a situation: in a word, or the gravest of the invariants that are violated."""
    violated = violated_in(each, situation)
    if not violated:
        return SAID[each.verdict(situation.name)]
    return ", ".join(cell.invariant for cell in violated[:MOST_NAMED]) + more_said(violated)


def more_said(violated: Sequence[Cell]) -> str:
    """`` +2``: how many more are violated than are named."""
    return f" +{len(violated) - MOST_NAMED}" if len(violated) > MOST_NAMED else ""


def violated_in(each: Compared, situation: Situation) -> list[Cell]:
    """The cells of a situation that are violated, the gravest first."""
    cells = [cell for cell in each.cells if cell.situation == situation.name and cell.verdict == "violated"]
    return sorted(cells, key=lambda cell: gravity_of(cell.invariant))


def headings_said(situations: Sequence[Situation]) -> list[str]:
    """What the headings of a table are short for, by the names that ``--situation`` takes."""
    short = [f"{situation.short} = {situation.name}" for situation in situations]
    return [*short, f"{SHAPE} = at the job's own size"]


def errors_said(each: Compared, situations: Sequence[Situation]) -> list[tuple[str, str]]:
    """For every situation in which a strategy violates something, its heading and the error of the gravest."""
    found = []
    for situation in situations:
        numbers = [cell.finding for cell in violated_in(each, situation) if cell.finding is not None]
        if numbers:
            failure = each.findings[numbers[0]].failure
            found.append((situation.short, f"{failure.invariant}: {failure.error}"))
    violation = each.measured.run.violation
    if each.measured.violations:
        said = shape_said(each.measured) if violation is None else f"{violation.invariant}: {violation.message}"
        found.append((SHAPE, said))
    return found


def violated_names(each: Compared) -> list[str]:
    """All that a strategy violates in any situation, the gravest first."""
    names = {cell.invariant for cell in each.cells if cell.verdict == "violated"} | each.measured.violations.keys()
    return sorted(names, key=gravity_of)


def shape_verdict(measured: Measured) -> str:
    """The verdict at the real shape, in the words of a cell."""
    if measured.violations:
        return "violated"
    return "incomplete" if measured.run.verdict == "incomplete" else "clean"


def shape_said(measured: Measured) -> str:
    """The verdict at the real shape: what was violated, in how many schedules."""
    if not measured.violations:
        return SAID[shape_verdict(measured)]
    return ", ".join(
        f"{name} (in {count} of {measured.schedules} schedules)" for name, count in measured.violations.items()
    )


def stall_said(measured: Measured) -> str:
    """What a save stalls, or that none ended."""
    return "no save ended" if measured.economy is None else duration(measured.economy.stall)


def is_bound(each: Compared) -> bool:
    """Whether the goodput of a strategy is a bound from above only, as something is violated."""
    economy = each.measured.economy
    return bool(each.violated) and economy is not None and economy.goodput is not None


def goodput_said(each: Compared, bound: str = "at most ") -> str:
    """The goodput, or why there is none; where something is violated, that it is a ``bound`` from above."""
    economy = each.measured.economy
    if economy is None or economy.goodput is None:
        return "none"
    return (bound if is_bound(each) else "") + share(economy.goodput)


BOUND = (
    "at most: the figure takes it that each restart resumes from the last save, which a strategy that violates "
    "something does not always; what it loses then is not counted"
)
"""What a goodput that is a bound leaves out."""


def figures(each: Compared) -> list[Figure]:
    """Everything that was measured at the real shape."""
    measured = each.measured
    run, economy = measured.run, measured.economy
    saves = len(run.saves)
    found = []
    if economy is not None:
        longest = max(save.seconds for save in run.saves)
        found.append(Figure("stall per save", duration(economy.stall), "what training waits, on the slowest rank"))
        found.append(Figure("save until the last rank returns", duration(longest)))
        found.append(_durable(measured, longest))
        written = sum(rank.bytes_written for rank in run.usage) / saves
        metadata = sum(rank.metadata_operations for rank in run.usage) / saves
        found.append(Figure("written per save", size(written)))
        found.append(Figure("metadata operations per save", f"{metadata:,.0f}", "of all ranks, deletion included"))
    if run.storage_peak is not None:
        found.append(Figure("peak storage", size(run.storage_peak), "the new checkpoint beside the old ones"))
    if any(run.host_memory):
        node = max(range(len(run.host_memory)), key=run.host_memory.__getitem__)
        found.append(Figure(f"host memory on node {node}", size(run.host_memory[node]), "to gather the model"))
    if run.nodes:
        fastest = max(run.nodes, key=lambda node: node.bandwidth)
        found.append(Figure("fastest node", rate(fastest.bandwidth), f"node {fastest.node}, while it writes"))
        waiting = max(rank.longest_wait for rank in run.usage)
        found.append(Figure("longest wait in a collective", duration(waiting)))
    if run.resumed is not None:
        note = f"{duration(run.resumed.looking)} to find it, {size(run.resumed.size)} to read"
        found.append(Figure("time to resume", duration(run.resumed.seconds), note))
    if economy is not None:
        found.append(Figure("optimal interval", duration(economy.interval), f"Daly; Young: {duration(economy.young)}"))
        found.append(Figure("expected goodput", goodput_said(each), _restart_said(each)))
    if run.exposed is not None:
        found.append(_exposed(measured))
    return found


def _durable(measured: Measured, longest: float) -> Figure:
    synced = measured.run.synced
    if synced is not None and synced.everything:
        return Figure("until it is durable", duration(longest), "every file is synced before save() returns")
    part = synced.synced / synced.written if synced is not None and synced.written else 0.0
    return Figure(
        "until it is durable", "unknown", f"{share(part)} of the bytes are synced, the rest is up to the kernel"
    )


def _restart_said(each: Compared) -> str:
    economy = each.measured.economy
    if economy is None or economy.restart is None:
        return "a restart has nothing to resume from"
    return f"a restart takes {duration(economy.restart)}" + (f"; {BOUND}" if is_bound(each) else "")


def _exposed(measured: Measured) -> Figure:
    exposed, economy = measured.run.exposed or 0.0, measured.economy
    if economy is None or economy.lost_one_in is None or economy.lost_every is None:
        return Figure("without a usable checkpoint", duration(exposed), "of each save")
    return Figure(
        "without a usable checkpoint",
        duration(exposed),
        f"of each save: one failure in {economy.lost_one_in:,.0f} strikes then, one in {duration(economy.lost_every)}",
    )


def notes(comparison: Comparison) -> list[tuple[str, str]]:
    """How it was judged and reckoned: headings with what belongs under them."""
    request = comparison.request
    small = setting(comparison.compared[0].small) if comparison.compared else ""
    return [
        (
            "Verdicts",
            f"Each situation is judged at small scale ({small}). Certified: every class of interleavings there, and "
            "every instant of each, with what the situation allows; it says nothing about larger jobs. Sampled: no "
            f"schedule of up to {request.schedules:,} violated anything, or as many as {duration(request.seconds)} "
            "allowed; it proves nothing beyond them. At the real shape "
            f"{request.at_scale} {'schedule is' if request.at_scale == 1 else 'schedules are'} sampled.",
        ),
        (
            "Times",
            "Virtual seconds: each operation is charged by the cost profile, bandwidth is shared fairly. A run goes "
            "in the order in which operations would end on that cluster.",
        ),
        ("Interval and goodput", f"{YOUNG}. {DALY}. {GOODPUT}. {SYMBOLS}. A restart takes "
         f"{duration(request.relaunch)} before it looks for a checkpoint. {BOUND.capitalize()}."),
        ("Sources", "; ".join(SOURCES) + "."),
    ]  # fmt: skip
