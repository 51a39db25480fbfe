"""Which answers of a file system exhaustive search can go through."""

from __future__ import annotations

from simulator.errors import UsageError
from simulator.experiment import Experiment

_UNORDERED = ("mtime", "inodes")
"""Options whose choices change what times and inodes mean, by which the search tells what commutes."""


def check_bounds(experiment: Experiment) -> None:
    """Raise UsageError, saying what to do, where the answers of the file system cannot be gone through."""
    choice = experiment.scenario.filesystem
    if getattr(experiment.filesystem(), "unordered", False):
        raise UsageError(
            f"filesystem.profile: exhaustive search does not know which operations on {choice.profile} commute; "
            "explore samples them"
        )
    if not experiment.has_choices:
        return
    if "made_up" in experiment.bounds:
        raise UsageError(
            f"filesystem.profile: exhaustive search cannot go through the times of {choice.profile}; explore samples "
            "them"
        )
    for group, bound in experiment.bounds.items():
        if bound is None:
            raise UsageError(
                f"filesystem.options.{group}: exhaustive search needs a bound of what {choice.profile} may answer, "
                f"such as {group} = 1; explore needs none"
            )
    for option in _UNORDERED:
        if choice.options.get(option) in ("ties", "reused"):
            raise UsageError(
                f"filesystem.options.{option}: exhaustive search cannot go through {choice.options[option]}; explore "
                "samples them"
            )
    if experiment.scenario.faults.power_losses:
        raise UsageError(
            f"faults.power_losses: exhaustive search goes through power losses, or through what {choice.profile} may "
            "answer; explore samples both"
        )
    if experiment.scenario.restarts:
        raise UsageError(
            f"restarts: of what {choice.profile} may answer, exhaustive search goes through one attempt of the job "
            "only; explore samples further ones"
        )
