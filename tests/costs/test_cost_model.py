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


def test_a_network_card_limits_a_node_like_its_client_does() -> None:
    assert cost_model("superpod-best").write_cap == 20.0
    narrow = cost_model("superpod-best", {"nic": 12.5})
    assert (narrow.write_cap, narrow.read_cap) == (12.5, 12.5)


@pytest.mark.parametrize(("d2h", "seconds"), [(24.8, 1.11), (52.8, 0.52)])
def test_a_rank_of_32_copies_its_shard_of_72b_to_host_memory(d2h: float, seconds: float) -> None:
    """27.5 GB: 1.11 s on an A800, 0.52 s on an H100, while the other ranks of the node do not copy."""
    model = cost_model("local", {"d2h": d2h})
    assert model.snapshot_seconds(27_529_041_504, 1) == pytest.approx(seconds, rel=0.02)
    assert model.snapshot_seconds(27_529_041_504, 8) == pytest.approx(27.529 / (99.2 / 8), rel=0.001)


def test_a_collective_that_never_times_out_is_a_figure_too() -> None:
    assert cost_model("nfs").collective_timeout == 600
    assert math.isinf(cost_model("nfs", {"collective_timeout": math.inf}).collective_timeout)
    with pytest.raises(UsageError, match=r"costs.collective_timeout: must be a positive number of seconds, is 0"):
        cost_model("nfs", {"collective_timeout": 0.0})
