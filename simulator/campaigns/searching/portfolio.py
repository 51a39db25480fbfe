"""Which scheduler serves which run, by name; and the faults that a sampled run gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from simulator.clock import SKEW_STEPS
from simulator.engines.interface import Step
from simulator.errors import UsageError
from simulator.run import Scheduler
from simulator.scenario import Scenario
from simulator.schedulers.by_time import ByTime
from simulator.schedulers.pct import PCT
from simulator.schedulers.pos import PartialOrderSampling
from simulator.schedulers.random_walk import RandomWalk
from simulator.schedulers.surw import SelectivelyUniformWalk, profile_of
from simulator.tape import Address, Tape

_DRAWN = (
    "kills",
    "node_kills",
    "node_hangs",
    "power_losses",
    "errors",
    "slow_ranks",
    "clock_skew",
    "clock_drift",
    "stale_answers",
)
"""The fields of the budget that are drawn for each run."""

SchedulerFactory = Callable[[Random], Scheduler]


def scheduler_factories(name: str, undisturbed: Sequence[Step], costed: bool = False) -> list[SchedulerFactory]:
    """The schedulers that take turns under a name. ``undisturbed`` are the steps of a run that nothing disturbed.

    Names: ``random``, ``sticky`` (random, but a rank goes on with probability 0.9), ``pct`` or ``pct:DEPTH``, ``pos``,
    ``surw``, ``by-time`` where operations have costs (``costed``), and ``mixed``, which is all of them in turn. Raises
    UsageError for another name.
    """
    if name == "mixed":
        parts = ["random", "pct:2", "sticky", "pct:3", "surw", "pos", *(["by-time"] if costed else [])]
        return [factory for part in parts for factory in scheduler_factories(part, undisturbed, costed)]
    kind, _, argument = name.partition(":")
    if kind == "random" and not argument:
        return [lambda random: RandomWalk(random)]
    if kind == "sticky" and not argument:
        return [lambda random: RandomWalk(random, stay=0.9)]
    if kind == "pct" and (not argument or (argument.isdigit() and int(argument) > 0)):
        depth = int(argument or 3)
        return [lambda random: PCT(random, depth, len(undisturbed))]
    if kind == "pos" and not argument:
        return [PartialOrderSampling]
    if kind == "surw" and not argument:
        profile = profile_of(undisturbed)
        return [lambda random: SelectivelyUniformWalk(random, profile)]
    if kind == "by-time" and not argument:
        if not costed:
            raise UsageError("scheduler by-time: the scenario has no costs.profile, so no operation takes any time")
        return [lambda random: ByTime()]
    raise UsageError(f"unknown scheduler {name!r}; known are random, sticky, pct, pct:DEPTH, pos, surw, by-time, mixed")


def sampled_faults(scenario: Scenario, lengths: Sequence[int], random: Random) -> Tape | None:
    """Draw the faults of one run from the budget; None when the budget is empty.

    Each kill strikes one rank at one of its operations, uniformly over those of an undisturbed run and a few more, in
    a random attempt that has a successor where there is one; so does a power loss, which takes at random, but where
    there is no successor none is drawn, since every instant is judged as if the power failed there. A slow rank is slow
    in every attempt, and so is a node's clock wrong. One run in eight gets no fault, so that a campaign with a budget
    also covers undisturbed jobs.
    """
    faults = scenario.faults
    if not any(getattr(faults, kind) for kind in _DRAWN) or random.random() < 0.125:
        return None
    choices: dict[Address, int] = {}
    world_size = scenario.cluster.world_size
    attempts = max(1, scenario.restarts)
    most = 2 * (sum(lengths) + world_size)  # More than that have nothing left to strike.
    for kind, value, count in (
        ("kill", 1, faults.kills),
        ("kill", 2, faults.node_kills),
        ("hang", 1, faults.node_hangs),
    ):
        for _ in range(min(count, most)):
            rank = random.randrange(world_size)
            attempt = random.randrange(attempts)
            choices[attempt, kind, rank, random.randrange(lengths[rank] + 2)] = value
            choices[attempt, "end", -1, 0] = random.choice((0, 1, random.randrange(1 + sum(lengths))))
    for _ in range(min(faults.power_losses, scenario.restarts)):
        rank = random.randrange(world_size)
        choices[random.randrange(attempts), "power", rank, random.randrange(lengths[rank] + 2)] = random.randrange(
            2, 1 << 32
        )
    for number, rule in enumerate(faults.errors):
        if rule.probability is not None:
            places = [(rank, n) for rank in range(world_size) for n in range(lengths[rank] + 1)]
            struck = [place for place in places if random.random() < rule.probability]
            for rank, n in random.sample(struck, min(rule.count, len(struck))):
                choices[random.randrange(attempts), f"error{number}", rank, n] = 1
            continue
        for _ in range(min(rule.count, most)):
            rank = random.choice(rule.ranks) if rule.ranks else random.randrange(world_size)
            # Of the operations on some paths there are few, so that early ones are drawn more often.
            most = lengths[rank] + 1 if rule.path == "*" else random.randint(1, lengths[rank] + 1)
            choices[random.randrange(attempts), f"error{number}", rank, random.randrange(most)] = 1
    for _ in range(min(faults.stale_answers, most)):
        rank = random.randrange(world_size)
        # Few lookups have a chance to be stale, so that early ones are drawn more often.
        choices[random.randrange(attempts), "stale", rank, random.randrange(random.randint(1, lengths[rank] + 1))] = 1
    choices |= handicaps(scenario, random)
    return Tape({address: value for address, value in choices.items() if value})


def handicaps(scenario: Scenario, random: Random) -> dict[Address, int]:
    """Draw the slow ranks and wrong clocks of one run from the budget."""
    faults, cluster = scenario.faults, scenario.cluster
    drawn = {("slow", rank, 0): 1 for rank in random.sample(range(cluster.world_size), faults.slow_ranks)}
    for n, bound in enumerate((faults.clock_skew, faults.clock_drift)):
        if bound:
            drawn |= {("skew", node, n): random.randrange(2 * SKEW_STEPS + 1) for node in range(cluster.nodes)}
    return {(attempt, *address): value for address, value in drawn.items() for attempt in range(scenario.restarts + 1)}
