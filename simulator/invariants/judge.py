"""Judges a run as it goes: after every step as if the job died there, and at the end of each attempt."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from simulator.boundary.caller import CURRENT
from simulator.engines.interface import Engine, Saved
from simulator.engines.strikes import Outage
from simulator.errors import CannotDo
from simulator.filesystems import Filesystem
from simulator.invariants.leak import leaked
from simulator.invariants.restart import Probe, Seen
from simulator.invariants.viewer import World, glance
from simulator.invariants.violation import BUILT_IN, Violation, text_of, words_of
from simulator.operations import Thing
from simulator.rank import Rank
from simulator.workload import BoundWorkload

Check = Callable[[World], str | None]


class Verdicts:
    """Judgements that were made before, by the digest of the file system: shared by all runs of a campaign.

    A judgement that looked at modification times is kept by their order too, since the digest leaves times out.
    """

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._by_digest: dict[tuple[int, int], Seen] = {}
        self._by_order: dict[tuple[int, int, Any], Seen] = {}
        self.judged = 0

    def look(self, filesystem: Any, attempt: int, known: int | None = None) -> Seen:
        """What a restart would do now. ``known`` is the digest of the file system, where the caller has just asked."""
        digest = (attempt, filesystem.digest() if known is None else known)
        seen = self._by_digest.get(digest)
        if seen is not None and not seen.looked:
            return seen
        order = (*digest, filesystem.mtime_order()) if seen is not None else None
        if order is not None:
            before = self._by_order.get(order)
            if before is not None:
                return before
        self.judged += 1
        seen = self._probe.look(filesystem, attempt)
        self._by_digest[digest] = seen
        if seen.looked:
            self._by_order[*digest, filesystem.mtime_order()] = seen
        return seen


class Outages(Protocol):
    """Judges instants as if the power failed there. See ``outages.OutageJudge``."""

    certain: int

    def has_struck(self) -> bool: ...
    def judge(self, world: World, promised: int) -> Violation | None: ...


OF_A_RESTART = frozenset(each.name for each in BUILT_IN if each.restart != "never")
"""The invariants that a look at what a restart would do can find violated."""


class Judge:
    """Holds what has been promised so far (the newest step whose save returned everywhere) and what was seen.

    ``judged`` are the names of the invariants that count (None: all of them). With ``instants``, what a restart would
    find is judged after every step, as if the job died there; without, only when an attempt has ended. ``when`` picks
    some of these instants, where looking is dear. With ``outages`` each is judged as if the power failed there, too.

    Violations whose signature is in ``known`` are set aside, and noted in ``met``. A state has one verdict, so what
    else is wrong with a restart there is not looked for. Once a rank has raised or hangs, the errors and hangs that
    follow are not judged: a launcher would put an end to the job.

    ``milestones`` are the instants (attempt, steps done) at which a restart would for the first time have resumed from
    a newer step than before: what judging ``keep`` at a later instant has to know.
    """

    def __init__(
        self,
        filesystem: Filesystem,
        *,
        root: str,
        nodes: int,
        world_size: int,
        verdicts: Verdicts | None = None,
        bound: BoundWorkload | None = None,
        checks: Sequence[Check] = (),
        judged: Collection[str] | None = None,
        instants: bool = True,
        when: Callable[[Engine], bool] | None = None,
        outages: Outages | None = None,
        known: Collection[str] = (),
    ) -> None:
        self._outages = outages
        self._known = frozenset(known)
        self.met: set[str] = set()
        self._struck = False
        self._filesystem: Any = filesystem
        self._root = root
        self._nodes = nodes
        self._world_size = world_size
        # What a restart would find is dear to know: not asked where no verdict could come of it.
        wanted = judged is None or not OF_A_RESTART.isdisjoint(judged)
        self._verdicts = verdicts if wanted else None
        self._bound = bound
        self._always = [check for check in checks if not getattr(check, "judged_at_end", False)]
        self._final = [check for check in checks if getattr(check, "judged_at_end", False)]
        self._judged = judged
        self._instants = instants
        self._when = when
        self.milestones: list[tuple[int, int]] = []
        self._digest = -1
        self._looked = False
        self._ended = 0
        self._promised = 0
        self._restorable = 0
        self._saves = _Saves(world_size)
        self._resumed = 0
        self.excused = False

    def begin(self) -> None:
        """A new attempt starts: nothing of it is excused by a fault yet."""
        self.excused = False
        self._struck = False
        self._saves = _Saves(self._world_size)
        self._resumed = 0
        self._digest = -1
        self._ended = 0

    def observe(self, engine: Engine) -> Violation | None:
        """Judge the instant after a step."""
        outages = self._outages
        if outages is None:
            return self._observed(engine)
        if outages.has_struck():
            self._struck = True
            self._restorable = outages.certain
        violation = self._observed(engine)
        if violation is not None or self._struck:
            return violation
        return self._new(outages.judge(self._world(engine), self._promised))

    def _new(self, violation: Violation | None) -> Violation | None:
        """The violation as it is told, unless it is set aside."""
        if violation is None:
            return None
        if self._struck:
            violation = after_outage(violation)
        if violation.signature not in self._known:
            return violation
        self.met.add(violation.signature)
        return None

    def _observed(self, engine: Engine) -> Violation | None:
        if not self.excused:
            if engine.failed and self._counts("no-error"):
                rank = engine.failed[0]
                error = engine.endings[rank].error
                assert error is not None
                found = self._new(Violation("no-error", f"rank {rank} raised {text_of(error, self._root)}", rank))
                if found is not None:
                    return found
                self.excused = True
            elif engine.mismatch is not None and self._counts("no-hang"):
                m = engine.mismatch
                found = self._new(
                    Violation(
                        "no-hang",
                        f"rank {m.rank} issued {m.issued} where rank {m.other} issued {m.expected} "
                        f"(collective {m.position} of their communicator): a real job hangs",
                        m.rank,
                    )
                )
                if found is not None:
                    return found
                self.excused = True
        if len(engine.resumed) != self._resumed and self._counts("agree"):
            self._resumed = len(engine.resumed)
            steps = {step for step, _ in engine.resumed.values()}
            if len(steps) > 1:
                said = ", ".join(f"rank {r}: {name or 'nothing'}" for r, (_, name) in sorted(engine.resumed.items()))
                found = self._new(Violation("agree", f"the ranks resumed from different checkpoints: {said}"))
                if found is not None:
                    return found
        if self._verdicts is None and not self._always:
            return None
        promised = len(engine.saves) != self._saves.seen
        if promised:
            self._saves.follow(engine.saves)
            self._promised = max(self._promised, self._saves.everywhere)
        if not (self._instants or self._always) or (self._when is not None and not self._when(engine)):
            return None
        digest = self._filesystem.digest()
        returned = len(engine.endings) != self._ended
        if digest == self._digest and not promised and not self._looked and not (returned and self._always):
            return None
        self._digest, self._ended = digest, len(engine.endings)
        violation = self._restart(engine, digest) if self._instants else None
        return violation if violation is not None or not self._always else self._user(self._always, engine)

    def finish(self, engine: Engine, *, died: bool) -> Violation | None:
        """Judge the end of an attempt: who hangs, what was left behind, and the user's final checks."""
        if not died and not self.excused:
            waiting = engine.waiting()
            if waiting and self._counts("no-hang"):
                said = ", ".join(f"rank {rank} in {what}" for rank, what in sorted(waiting.items()))
                text = f"the job cannot end: {said}; the other ranks have ended"
                found = self._new(Violation("no-hang", text, min(waiting)))
                if found is not None:
                    return found
                self.excused = True
        if not self._instants:
            left = self._restart(engine)
            if left is not None:
                return left
        # An attempt that saved nothing had no occasion to clean up what an earlier one left.
        saved = len(engine.saved) == self._world_size
        if saved and not died and not self.excused and self._bound is not None and self._counts("no-leak"):
            leak = self._new(leaked(self._filesystem, self._bound))
            if leak is not None:
                return leak
        return self._user(self._final, engine)

    def _counts(self, invariant: str) -> bool:
        return self._judged is None or invariant in self._judged

    def _restart(self, engine: Engine, digest: int | None = None) -> Violation | None:
        """What is wrong with what a restart would find now, as far as it counts."""
        if self._verdicts is None:
            return None
        seen = self._verdicts.look(self._filesystem, engine.attempt, digest)
        self._looked = bool(seen.looked)
        best = self._bound.best if self._bound is not None else None
        violation = wrong_with(seen, self._promised, self._restorable, best)
        if violation is None and seen.step is not None and seen.step > self._restorable:
            self._restorable = seen.step
            self.milestones.append((engine.attempt, len(engine.steps)))
        return self._new(violation) if violation is not None and self._counts(violation.invariant) else None

    def _user(self, checks: Sequence[Check], engine: Engine) -> Violation | None:
        if not checks:
            return None
        for check in checks:
            if self._counts(name_of(check)):
                found, times = ask(check, self._world(engine), self._filesystem)
                # Whoever looks at times is asked again when no name and no content has changed.
                self._looked = self._looked or bool(times)
                violation = self._new(found)
                if violation is not None:
                    return violation
        return None

    def _world(self, engine: Engine) -> World:
        returned = {r: e.value for r, e in engine.endings.items() if e.error is None and not e.killed}
        return World(Path(self._root), self._world_size, engine.attempt, returned)


class _Saves:
    """Follows the saves of an attempt, ``seen`` of them; ``everywhere`` is the step that the last rank has saved, or 0.

    A further save costs as much as there are different steps that the ranks have come to, however many ranks there are.
    """

    def __init__(self, world_size: int) -> None:
        self._world_size = world_size
        self.seen = 0
        self._newest: dict[int, int] = {}
        self._ranks: dict[int, int] = {}
        self.everywhere = 0

    def follow(self, saves: Sequence[Saved]) -> None:
        """Take note of further saves."""
        for saved in saves[self.seen :]:
            before = self._newest.get(saved.rank)
            if before is not None:
                self._ranks[before] -= 1
                if not self._ranks[before]:
                    del self._ranks[before]
            self._newest[saved.rank] = saved.step
            self._ranks[saved.step] = self._ranks.get(saved.step, 0) + 1
        self.seen = len(saves)
        if len(self._newest) == self._world_size:
            self.everywhere = min(self._ranks)


def wrong_with(seen: Seen, promised: int, restorable: int, best: int | None = None) -> Violation | None:
    """What is wrong with what a restart would find.

    ``promised`` is the newest step whose save has returned everywhere, ``restorable`` the newest from which a restart
    would have resumed at an earlier instant, ``best`` the best step, if there is one.
    """
    if seen.problem is not None:
        return seen.problem
    step = seen.step
    if seen.unknown:
        return None  # It resumes from something; whether that is old or new, nothing tells.
    if step is None and restorable:
        return Violation(
            "keep",
            f"nothing is left that a restart could resume from, although checkpoint {restorable} was whole before",
        )
    if (step or 0) < promised:
        what = f"from step {step}" if step is not None else "from nothing"
        return Violation(
            "progress", f"save of step {promised} returned on every rank, but a restart would resume {what}"
        )
    if step is not None and step < restorable:
        return Violation(
            "keep", f"a restart would resume from step {step}, although checkpoint {restorable} was whole before"
        )
    if best is not None and best <= promised and best not in seen.whole:
        return Violation("keep", f"checkpoint {best}, the best one, was deleted")
    return None


def after_outage(violation: Violation, outage: Outage | None = None) -> Violation:
    """The same violation as one of what a power loss has left. ``outage``: of one that nothing had planned."""
    message = f"after a power loss, {violation.message}"
    return Violation(violation.invariant, message, violation.rank, outage)


def name_of(check: Check) -> str:
    """The name of a user's invariant."""
    return str(getattr(check, "__name__", "invariant"))


def ask(check: Check, world: World, filesystem: Filesystem) -> tuple[Violation | None, frozenset[Thing]]:
    """Ask a user's invariant about the file system as it is now; gives its word and the times that it looked at.

    Raises CannotDo when the invariant itself fails.
    """
    caller = CURRENT.caller
    result = glance(
        filesystem, partial(_apply, check, world), nodes=1, world_size=1, root=str(world.root), attempt=world.attempt
    )
    CURRENT.caller = caller
    ending, name = result.endings[0], name_of(check)
    if isinstance(ending.error, AssertionError):
        return Violation(name, str(ending.error) or "an assertion of the invariant does not hold"), result.looked
    if ending.error is not None:
        raise CannotDo(f"the invariant {name} itself failed: {text_of(ending.error, str(world.root))}")
    said = words_of(check, ending.value)
    return None if said is None else Violation(name, said), result.looked


def _apply(check: Check, world: World, rank: Rank) -> str | None:
    return check(world)
