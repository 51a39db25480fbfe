"""Profiles and overrides: what is known, and what is refused."""

from __future__ import annotations

import math

import pytest

from simulator.costs import CostModel, cost_model, profile_names
from simulator.errors import UsageError


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_gives_every_figure(name: str) -> None:
    cost_model(name).validate()


def test_the_published_grades_of_storage() -> None:
    grades = [cost_model(f"superpod-{grade}") for grade in ("good", "better", "best")]
    assert [(g.node_read, g.node_write) for g in grades] == [(4, 2), (8, 4), (40, 20)]
    assert [(g.total_read, g.total_write) for g in grades] == [(15, 7), (40, 20), (125, 62)]


def test_single_figures_are_overridden_and_the_rest_stays() -> None:
    changed = cost_model("nfs", {"node_write": 3, "total_write": math.inf})
    assert (changed.node_write, changed.total_write) == (3.0, math.inf)
    assert changed.metadata_write == cost_model("nfs").metadata_write


@pytest.mark.parametrize(
    ("profile", "overrides", "complaint"),
    [
        ("floppy", {}, "costs.profile: unknown profile 'floppy'"),
        ("base", {}, "costs.profile: unknown profile 'base'"),
        ("nfs", {"seek": 1.0}, "costs.overrides: unknown key 'seek'"),
        ("nfs", {"node_write": 0.0}, "costs.node_write: must be a positive number"),
        ("nfs", {"node_write": math.nan}, "costs.node_write: must be a positive number"),
        ("nfs", {"fsync": -1.0}, "costs.fsync: must be a finite number"),
        ("nfs", {"fsync": math.inf}, "costs.fsync: must be a finite number"),
        ("nfs", {"fsync": "slow"}, "costs: "),
    ],
)
def test_what_makes_no_sense_is_named(profile: str, overrides: dict[str, float], complaint: str) -> None:
    with pytest.raises(UsageError) as raised:
        cost_model(profile, overrides)
    assert complaint in str(raised.value)


def test_a_model_is_plain_frozen_data() -> None:
    assert cost_model("nfs") == cost_model("nfs")
    assert isinstance(cost_model("nfs"), CostModel)
    with pytest.raises(AttributeError):
        cost_model("nfs").fsync = 1.0  # type: ignore[misc]
