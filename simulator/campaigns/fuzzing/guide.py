"""What is known of one scenario, and which runs to make next because of it.

Every second run reverses a race: it repeats a run that covered something, but for two operations that come in an order
which no run has had yet. Of the kinds of operations that can be reversed, those are taken first that were tried least,
so that the many files of a checkpoint do not crowd out its one rename. The other runs are drawn from the samplers, and
from ways to change tapes, by what each has yielded lately.
"""

from __future__ import annotations

from collections import Counter
from random import Random

import msgspec

from simulator.campaigns.fuzzing.arms import Arms
from simulator.campaigns.fuzzing.coverage import Race
from simulator.campaigns.fuzzing.proposal import (
    AFTER,
    REPLAY,
    REVERSE,
    SAMPLERS,
    SPLICE,
    TAIL,
    Outcome,
    Proposal,
    Row,
)

_UNDISTURBED = Proposal(REPLAY, 0)
_FIRST = ("random", "sticky")
"""What follows the undisturbed run: many switches, then few."""
_FAILURE = 3.0
"""What a new kind of failure counts beside a run that covers something new."""
_EVERY = 3
"""Of so many runs all but one reverse a race, as long as there is one to reverse."""
_KEEP_FAULTS = 0.5
"""How often a changed tape keeps its faults and the answers of its file system, where it has any; else they are drawn
anew."""


class Entry(msgspec.Struct, frozen=True):
    """A run that covered something new: its tape, the steps of its attempts, and whether it failed."""

    tape: list[Row]
    lengths: list[int]
    failed: bool


class Guide:
    """Proposes the runs of a scenario and learns from them.

    ``seed`` is that of the campaign; ``proposed`` counts from the first session on, so that a later one draws others.
    """

    def __init__(self, seed: int, proposed: int = 0) -> None:
        self._seed = seed
        self.proposed = proposed
        self._started = False
        self.entries: list[Entry] = []
        self.covered: set[int] = set()
        self.signatures: set[str] = set()
        self._arms = Arms([*SAMPLERS, TAIL, SPLICE])
        self._unseen: dict[str, dict[int, tuple[int, Race]]] = {}
        self._tries: Counter[str] = Counter()
        self._tried: set[int] = set()

    def propose(self) -> Proposal:
        """The next run to make. The first of a session is the undisturbed one."""
        if not self._started:
            self._started = True
            return _UNDISTURBED
        self.proposed += 1
        number = self.proposed
        random = Random(self._seed << 40 | number)
        drawn = random.getrandbits(48)
        if number <= len(_FIRST):
            return Proposal(_FIRST[number - 1], drawn, draws=True)
        if number % _EVERY:
            reversal = self._reversal(random, drawn)
            if reversal is not None:
                return reversal
        return self._other(random, drawn)

    def learn(self, proposal: Proposal, outcome: Outcome) -> bool:
        """Take note of what a run came to; whether it covered anything new."""
        new = [pair for pair in outcome.pairs if pair not in self.covered]
        self.covered.update(outcome.pairs)
        broken = outcome.broken
        failure = broken is not None and broken.signature not in self.signatures
        if broken is not None:
            self.signatures.add(broken.signature)
        self._arms.tell(proposal.arm, bool(new) + _FAILURE * failure)
        for pair in new:
            for races in self._unseen.values():
                races.pop(pair, None)
        if not (new or failure or proposal == _UNDISTURBED):
            return False
        self.entries.append(Entry(outcome.tape, outcome.lengths, broken is not None))
        for race in outcome.races:
            if race.reverse not in self.covered and race.reverse not in self._tried:
                self._unseen.setdefault(race.group, {})[race.reverse] = (len(self.entries) - 1, race)
        return bool(new)

    def _reversal(self, random: Random, drawn: int) -> Proposal | None:
        groups = [group for group, races in self._unseen.items() if races]
        if not groups:
            return None
        least = min(self._tries[group] for group in groups)
        group = random.choice([group for group in groups if self._tries[group] == least])
        reverse = random.choice(list(self._unseen[group]))
        entry, race = self._unseen[group].pop(reverse)
        self._tries[group] += 1
        self._tried.add(reverse)
        return self._changed(Proposal(REVERSE, drawn, race=race), self.entries[entry], random)

    def _other(self, random: Random, drawn: int) -> Proposal:
        sound = [entry for entry in self.entries if not entry.failed] or self.entries
        arm = self._arms.draw(random, None if sound else SAMPLERS)
        if arm in SAMPLERS:
            return Proposal(arm, drawn, draws=True)
        entry = random.choice(sound)
        if arm == TAIL:
            attempt = random.randrange(len(entry.lengths))
            cut = (attempt, random.randrange(entry.lengths[attempt] + 1))
            return self._changed(Proposal(TAIL, drawn, cut=cut), entry, random)
        # The faults are those of one of them: together they might be more than the budget allows.
        further = [row for row in random.choice(sound).tape if row[1] == "schedule"]
        joined = {row[:4]: row for row in (*entry.tape, *further)}
        return Proposal(SPLICE, drawn, tape=sorted(joined.values()))

    def _changed(self, proposal: Proposal, entry: Entry, random: Random) -> Proposal:
        faults = any(row[1] != "schedule" for row in entry.tape)
        draws = not faults or random.random() > _KEEP_FAULTS
        return msgspec.structs.replace(proposal, tape=entry.tape, draws=draws, after=random.choice(AFTER))
