"""What counts as a whole checkpoint of a program that nothing is known of, while it is written and deleted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from simulator.campaigns.command.judging import CommandJudge
from simulator.engines.interface import Step
from simulator.interposition.watching import Watch
from simulator.invariants import Violation
from simulator.operations import Mkdir

RANKS = 2
HEADER = json.dumps({"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
MODEL = len(HEADER).to_bytes(8, "little") + HEADER + b"w"
TRAINER = {
    "config.json": b"{}",
    "model.safetensors": MODEL,
    "training_args.bin": b"arguments",
    "optimizer.pt": b"moments",
    "rng_state_0.pth": b"random",
    "trainer_state.json": b"{}",
    "rng_state_1.pth": b"random",
}
"""As transformers 5.23 writes it, without a staging directory: what rank 1 adds comes last."""
DEEPSPEED = {
    "model.safetensors": MODEL,
    "global_step1/mp_rank_00_model_states.pt": b"weights",
    "global_step1/bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt": b"moments",
    "latest": b"global_step1",
    "global_step1/bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt": b"moments",
    "rng_state_0.pth": b"random",
    "trainer_state.json": b"{}",
    "rng_state_1.pth": b"random",
}
"""As DeepSpeed under stage 2 does, which publishes before rank 1 has written."""


class Job:
    """A watched directory, and the judge that looks at it after each change."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._judge = CommandJudge(Watch(str(place)), RANKS, None)
        self._engine: Any = SimpleNamespace(steps=[], failed=[], endings={})
        self._judge.begin()

    def looks(self, name: str) -> Violation | None:
        """The judge's word after a change in that directory."""
        self._engine.steps.append(Step(0, 0, len(self._engine.steps), Mkdir(name)))
        return self._judge.observe(self._engine)

    def writes(self, name: str, files: dict[str, bytes]) -> list[Violation | None]:
        """Each file is made, and then it is filled."""
        said = []
        for file, content in files.items():
            path = self.place / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            for part in (b"", content):
                path.write_bytes(part)
                said.append(self.looks(name))
        return said

    def deletes(self, name: str) -> Violation | None:
        """All of it at once."""
        shutil.rmtree(self.place / name)
        return self.looks(name)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


@pytest.mark.parametrize("files", [TRAINER, DEEPSPEED], ids=["trainer", "deepspeed"])
def test_a_checkpoint_that_is_being_written_has_been_none_yet(job: Job, files: dict[str, bytes]) -> None:
    assert set(job.writes("checkpoint-1", files)) == {None}
    assert set(job.writes("checkpoint-2", files)) == {None}
    assert job.deletes("checkpoint-1") is None
    lost = job.deletes("checkpoint-2")
    assert lost is not None
    assert lost.invariant == "keep"
    assert "checkpoint-2 was whole" in lost.message


def test_the_old_one_must_not_go_before_the_new_one_is_more_than_a_model(job: Job) -> None:
    job.writes("checkpoint-1", TRAINER)
    begun = dict(list(TRAINER.items())[:4])
    assert set(job.writes("checkpoint-2", begun)) == {None}
    job.deletes("checkpoint-1")
    assert any(job.writes("checkpoint-2", {"trainer_state.json": b"{}"}))


def test_what_is_left_of_a_checkpoint_is_no_model(job: Job) -> None:
    job.writes("checkpoint-1", TRAINER)
    (job.place / "checkpoint-1" / "trainer_state.json").unlink()
    lost = job.looks("checkpoint-1")
    assert lost is not None
    assert lost.invariant == "keep"


def test_a_mere_model_is_a_checkpoint_if_nothing_more_comes(job: Job) -> None:
    assert set(job.writes("checkpoint-1", {"config.json": b"{}", "model.safetensors": MODEL})) == {None}
    assert job.deletes("checkpoint-1") is not None


def test_a_name_is_used_again_by_something_smaller(job: Job) -> None:
    job.writes("a", TRAINER)
    job.writes("b", TRAINER)
    assert job.deletes("a") is None
    job.writes("a", {"model.safetensors": MODEL})
    assert job.deletes("b") is None
    assert job.deletes("a") is not None
