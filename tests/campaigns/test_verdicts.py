"""Every protocol gets the verdict that its history says: the old bugs are found, the remedies hold."""

from __future__ import annotations

import pytest

import simulator
from simulator.campaigns.result import Result
from simulator.faults import Faults
from simulator.scenario import Cluster, Scenario, StrategyChoice, Workload

REMEDIES = ["staged-barrier", "per-node-dirs", "manifest", "incremental"]


def explored(
    name: str,
    *,
    judged: list[str] | None = None,
    job_death: bool = True,
    kills: int = 1,
    cluster: tuple[int, int] = (2, 1),
    steps: int = 2,
    schedules: int = 1500,
    layout: str = "ddp",
    seed: int = 0,
    best: int | None = None,
    frozen: bool = False,
    **options: bool | str,
) -> Result:
    scenario = Scenario(
        cluster=Cluster(*cluster),
        workload=Workload(layout=layout, steps=steps, keep=1, best=best, frozen=frozen),
        strategy=StrategyChoice(name, options),
        faults=Faults(kills=kills, job_death=job_death),
        restarts=1 if kills else 0,
        invariants=judged,
    )
    return simulator.explore(scenario, schedules=schedules, seed=seed)


# Section by section the mechanisms of the protocol's history: (strategy, what is judged, what the message must say).
RACES = [
    # No commit point: the directory is picked from its first moment on.
    ("transformers-4.35", ["complete"], {}, "checkpoint-1/model.safetensors"),
    ("transformers-4.52", ["complete"], {}, "checkpoint-1/model.safetensors"),
    ("transformers-5.23", ["complete"], {}, "checkpoint-1/model.safetensors"),
    # 4.36.0, #27925: everybody renames one staging directory.
    ("transformers-4.36.0", ["no-error"], {"kills": 0}, "'tmp-checkpoint-1' -> 'checkpoint-1'"),
    ("transformers-4.36.0", ["complete"], {}, "a restart fails: FileNotFoundError"),
    # 4.36.1, #28119: main process first means first on each node.
    (
        "transformers-4.36.1",
        ["no-error"],
        {"kills": 0},
        "No such file or directory: 'tmp-checkpoint-1' -> 'checkpoint-1'",
    ),
    # 4.38, #29336: another node cleans up the staging directory that it shares.
    ("transformers-4.38", ["no-error"], {"kills": 0}, "No such file or directory"),
    (
        "transformers-4.38",
        ["progress"],
        {},
        "save of step 1 returned on every rank, but a restart would resume from no",
    ),
    # #35580, #36076: private directories are renamed onto one target.
    ("transformers-4.49-dev-35580", ["no-error"], {"cluster": (2, 2), "kills": 0}, "raised"),
    ("transformers-4.49-dev-35580", ["complete"], {"job_death": False, "kills": 0}, "a restart fails: FileNotFound"),
    # #36094: only one rank renames, the other ranks' files are thrown away. No interleaving is needed.
    ("transformers-4.49-dev-36094", ["complete"], {"job_death": False, "kills": 0}, "rng_state_1.pth"),
]


@pytest.mark.parametrize(("name", "judged", "more", "said"), RACES)
def test_a_racy_protocol_is_caught_by_its_own_mechanism(name: str, judged: list[str], more: dict, said: str) -> None:  # type: ignore[type-arg]
    result = explored(name, judged=judged, **more)
    assert result.verdict == "violated"
    assert result.failure is not None
    assert result.failure.invariant == judged[0]
    assert said in result.failure.error


def test_both_messages_of_the_72b_incident_are_found() -> None:
    seen = set()
    for seed in range(8):
        result = explored("transformers-4.49-dev-35580", judged=["no-error"], cluster=(2, 2), kills=0, seed=seed)
        assert result.failure is not None
        seen.add(result.failure.error.split(" raised ")[1].split(":")[1].strip())
    assert {"[Errno 39] Directory not empty", "[Errno 2] No such file or directory"} <= seen


def test_4_36_2_is_clean_on_a_strong_shared_file_system() -> None:
    assert explored("transformers-4.36.2", kills=0).verdict == "clean"


def test_4_37_is_clean_without_power_loss() -> None:
    assert explored("transformers-4.37", kills=0).verdict == "clean"


def test_4_36_2_with_save_on_each_node_loses_every_checkpoint_through_the_order_of_mtimes() -> None:
    lost = explored("transformers-4.36.2", judged=["keep"], kills=0, steps=3, save_on_each_node=True)
    assert lost.failure is not None
    assert "nothing is left that a restart could resume from" in lost.failure.error
    by_number = explored(
        "transformers-4.36.2", judged=["keep", "progress"], kills=0, steps=3, schedules=1000,
        save_on_each_node=True, rotate_by="number",
    )  # fmt: skip
    assert by_number.verdict == "clean"


@pytest.mark.parametrize("name", REMEDIES)
def test_a_remedy_holds_in_two_thousand_schedules_with_job_death_and_a_rank_kill(name: str) -> None:
    for cluster, layout, schedules in (((2, 1), "ddp", 1400), ((2, 2), "zero", 600)):
        result = explored(name, schedules=schedules, cluster=cluster, layout=layout, frozen=layout == "ddp")
        assert (result.verdict, result.failure) == ("clean", None)
        assert result.schedules == schedules


@pytest.mark.parametrize("name", REMEDIES)
def test_a_remedy_keeps_the_best_checkpoint(name: str) -> None:
    assert explored(name, steps=4, best=1, schedules=150).verdict == "clean"


@pytest.mark.slow
@pytest.mark.parametrize("name", REMEDIES)
def test_a_remedy_holds_in_fifty_thousand_schedules(name: str) -> None:
    for seed, (cluster, layout, steps) in enumerate(
        [((2, 1), "ddp", 2), ((2, 2), "zero", 2), ((1, 2), "ddp", 3), ((3, 1), "zero", 3), ((2, 1), "ddp", 4)]
    ):
        result = explored(name, schedules=10_000, cluster=cluster, layout=layout, steps=steps, seed=seed, best=1)
        assert (result.verdict, result.failure) == ("clean", None)
