"""What counts as a whole checkpoint of a program that nothing is known of, while it is written and deleted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from simulator.campaigns.command.judging import CommandJudge
from simulator.engines.interface import Step
from simulator.interposition.watching import Watch
from simulator.invariants import Violation
from simulator.invariants.violation import gravity_of
from simulator.operations import Mkdir, Rename

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

    def __init__(self, place: Path, known: Collection[str] = ()) -> None:
        self.place = place
        self._judge = CommandJudge(Watch(str(place)), RANKS, None, known)
        self._engine: Any = SimpleNamespace(steps=[], failed=[], endings={})
        place.mkdir(exist_ok=True)
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

    def removes(self, path: str) -> Violation | None:
        """One file."""
        (self.place / path).unlink()
        return self.looks(path)

    def renames(self, source: str, target: str) -> Violation | None:
        """The judge's word after that."""
        (self.place / source).rename(self.place / target)
        self._engine.steps.append(Step(0, 0, len(self._engine.steps), Rename(source, target)))
        return self._judge.observe(self._engine)

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


def test_what_is_missing_is_named_and_what_a_restart_does_without_is_degraded(job: Job) -> None:
    job.writes("checkpoint-1", TRAINER)
    for file, use in (("rng_state_1.pth", "rank 1's random state"), ("optimizer.pt", "starts anew")):
        found = job.removes(f"checkpoint-1/{file}")
        assert found is not None
        assert (found.invariant, found.degraded) == ("keep", True)
        assert f"{file} is missing" in found.message
        assert use in found.message
        job.writes("checkpoint-1", {file: b"again"})
    lost = job.removes("checkpoint-1/model.safetensors")
    assert lost is not None
    assert not lost.degraded
    assert "model.safetensors is missing" in lost.message
    assert "deleted" not in lost.message


def test_rotating_before_the_last_rank_has_written_is_no_lost_checkpoint(job: Job) -> None:
    job.writes("checkpoint-1", TRAINER)
    assert set(job.writes("checkpoint-2", dict(list(TRAINER.items())[:6]))) == {None}
    found = job.deletes("checkpoint-1")
    assert found is not None
    assert found.degraded
    assert "in checkpoint-2 rng_state_1.pth is missing" in found.message
    assert "checkpoint-1 was deleted" in found.message


def test_a_save_that_leaves_out_what_the_one_before_had_makes_no_whole_checkpoint(job: Job) -> None:
    job.writes("checkpoint-1", TRAINER)
    job.writes("checkpoint-2", {name: content for name, content in TRAINER.items() if name != "optimizer.pt"})
    found = job.deletes("checkpoint-1")
    assert found is not None
    assert found.degraded
    assert "in checkpoint-2 optimizer.pt is missing" in found.message


def test_what_was_written_over_is_not_called_deleted(job: Job) -> None:
    job.writes("checkpoint-1", TRAINER)
    (job.place / "checkpoint-1" / "model.safetensors").write_bytes(MODEL[:-1])
    found = job.looks("checkpoint-1/model.safetensors")
    assert found is not None
    assert "checkpoint-1 is overwritten: model.safetensors is torn" in found.message
    assert "deleted" not in found.message


def test_what_was_renamed_away_is_called_so(job: Job) -> None:
    job.writes("checkpoint-1", TRAINER)
    found = job.renames("checkpoint-1", "tmp-checkpoint-1")
    assert found is not None
    assert "checkpoint-1 was renamed, checkpoint-1 to tmp-checkpoint-1" in found.message


@pytest.mark.parametrize("place", ["checkpoints/checkpoint_0", "a/b/c/d/checkpoint-1", "trial/lightning_logs/v0"])
def test_a_checkpoint_is_seen_at_any_depth(job: Job, place: str) -> None:
    job.writes(f"{place}1", TRAINER)
    job.writes(f"{place}2", TRAINER)
    assert job.deletes(f"{place}1") is None
    assert job.renames(place.split("/", maxsplit=1)[0], "elsewhere") is None, "it is whole under another name"
    moved = "/".join(["elsewhere", *place.split("/")[1:]])
    assert job.deletes(f"{moved}2") is not None


def test_a_directory_with_a_random_name_is_seen_by_the_name_that_the_schedule_has_for_it(job: Job) -> None:
    (job.place / "run-x7f3").mkdir()
    for file, content in TRAINER.items():
        (job.place / "run-x7f3" / file).write_bytes(content)
    assert job.looks("run-*0.0/rng_state_1.pth") is None
    (job.place / "run-x7f3" / "model.safetensors").unlink()
    assert job.looks("run-*0.0/model.safetensors") is not None


def test_a_part_of_a_checkpoint_is_none_by_itself(job: Job) -> None:
    weights = {".metadata": b"__0_0.distcp", "__0_0.distcp": b"w"}
    files = {f"pytorch_model_fsdp_0/{name}": content for name, content in weights.items()}
    files |= {name: content for name, content in TRAINER.items() if not name.endswith(".safetensors")}
    assert set(job.writes("checkpoint-1", files)) == {None}
    lost = job.removes("checkpoint-1/trainer_state.json")
    assert lost is not None
    assert not lost.degraded


def test_a_file_of_lightning_is_a_checkpoint(job: Job) -> None:
    place = "lightning_logs/version_0/checkpoints"
    assert set(job.writes(place, {"epoch=0.ckpt": b"state", "last.ckpt": b"state"})) == {None}
    assert job.removes(f"{place}/epoch=0.ckpt") is None
    found = job.removes(f"{place}/last.ckpt")
    assert found is not None
    assert f"{place}/last.ckpt was deleted" in found.message


def test_what_is_set_aside_hides_neither_a_graver_loss_nor_a_failing_rank(tmp_path: Path) -> None:
    first = Job(tmp_path / "a")
    first.writes("checkpoint-1", TRAINER)
    degraded = first.removes("checkpoint-1/rng_state_0.pth")
    assert degraded is not None
    job = Job(tmp_path / "b", [degraded.signature])
    job.writes("checkpoint-1", TRAINER)
    assert job.removes("checkpoint-1/rng_state_0.pth") is None
    assert job.removes("checkpoint-1/rng_state_1.pth") is None, "the same once more"
    lost = job.removes("checkpoint-1/model.safetensors")
    assert lost is not None
    assert not lost.degraded
    assert gravity_of("keep") < gravity_of("keep", degraded=True)
