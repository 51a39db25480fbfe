"""A scenario made ready in a process that makes its runs: prepared once, for all batches that this process gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from random import Random

import msgspec

from simulator.campaigns.fuzzing.identity import Identities
from simulator.campaigns.fuzzing.proposal import SAMPLERS, Proposal
from simulator.campaigns.searching.determinism import undisturbed_run
from simulator.campaigns.searching.drawing import drawn_answers
from simulator.campaigns.searching.findings import MOST
from simulator.campaigns.searching.portfolio import sampled_faults, scheduler_factories
from simulator.campaigns.searching.sampling import rank_lengths
from simulator.campaigns.searching.vacuity import Repeats, check_touches_files
from simulator.experiment import Experiment
from simulator.run import Run, Scheduler
from simulator.scenario import Scenario
from simulator.tape import Tape

_KEPT = 64
"""So many scenarios are kept ready in a process."""


class Prepared:
    """The experiment of a scenario, and what its schedulers need to know of an undisturbed run.

    The boundary must be installed. Raises CannotDo where the code under test is not deterministic, or no
    rank makes a call about a file.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.experiment = Experiment(scenario)
        self.guided = hasattr(self.experiment.filesystem(), "accesses")
        """Whether the file system tells what operations touch; else nothing is known of conflicts."""
        self.identities = Identities()
        undisturbed, known = undisturbed_run(self.experiment), list(scenario.known)
        while undisturbed.violation is not None and len(known) < MOST:
            # What the job does is seen past its failures only.
            known.append(undisturbed.violation.signature)
            undisturbed = undisturbed_run(self.past(known))
        self.lengths = rank_lengths(undisturbed, scenario.cluster.world_size)
        check_touches_files(undisturbed, scenario)
        repeats = Repeats(choices=self.experiment.has_choices)
        repeats.note(None, undisturbed)
        self.only = not scenario.faults.may_strike and repeats.has(None)
        """Whether no run can be another one than the undisturbed one."""
        self.samplers: dict[str, Callable[[Random], Scheduler]] = {}
        for name in SAMPLERS:
            [self.samplers[name]] = scheduler_factories(name, undisturbed.attempts[0].steps)

    def past(self, known: Sequence[str]) -> Experiment:
        """The experiment, with the failures of these signatures set aside besides the scenario's."""
        given = self.experiment.scenario.known
        return self.experiment.setting_aside([*given, *known]) if known else self.experiment

    def run(self, proposal: Proposal) -> Run:
        """Make a proposed run."""
        random = Random(proposal.seed)
        experiment = self.past(proposal.known)
        plan, draw = proposal.faults(), None
        if proposal.draws:
            plan = sampled_faults(experiment.scenario, self.lengths, random) or Tape()
            draw = drawn_answers(experiment, proposal.seed)
        return experiment.run(proposal.scheduler(self.samplers, random), plan, effects=self.guided, draw=draw)


def prepared(scenario: Scenario, session: str) -> Prepared:
    """The scenario made ready, once a session."""
    return _prepared(msgspec.json.encode(scenario), session)


@lru_cache(maxsize=_KEPT)
def _prepared(encoded: bytes, session: str) -> Prepared:
    return Prepared(msgspec.json.decode(encoded, type=Scenario))
