"""What released libraries write, file by file as a recorded run shows it, is what the layouts generate.

One undisturbed run under ``ckptrace run`` tells which rank makes which file in which order; the directory that it
leaves tells the sizes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from simulator.campaigns.command.experiment import CommandExperiment
from simulator.engines.interface import Step
from simulator.layouts import ShardSpec, hugging_face, layout
from simulator.operations import Open, Rename
from simulator.scenario import Cluster, CommandChoice, Scenario
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from tests.interposition.kernel import holds
from tests.real.environments import python_with

pytestmark = [pytest.mark.real, holds]

RANKS: Final = 3
CHECKPOINT: Final = "checkpoint-1/"
FIVE: Final = ("layouts-5", "transformers==5.23.0", "accelerate==1.15.0", "peft==0.21.2", "deepspeed==0.19.8")
FOUR: Final = ("layouts-4", "transformers==4.57.3", "accelerate==1.15.0")
TOY: Final[dict[str, Any]] = {
    "model_type": "qwen2_5_vl",
    "architectures": ["Qwen2_5_VLForConditionalGeneration"],
    "tie_word_embeddings": False,
    "hidden_size": 32,
    "intermediate_size": 50,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 64,
    "max_position_embeddings": 64,
    "rope_scaling": {"type": "mrope", "mrope_section": [2, 1, 1]},
    "bos_token_id": 58,
    "eos_token_id": 59,
    "image_token_id": 60,
    "video_token_id": 61,
    "vision_start_token_id": 62,
    "vision_end_token_id": 63,
    "vision_config": {
        "depth": 2,
        "hidden_size": 16,
        "intermediate_size": 25,
        "num_heads": 2,
        "in_chans": 3,
        "out_hidden_size": 32,
        "patch_size": 4,
        "temporal_patch_size": 2,
        "spatial_merge_size": 2,
        "window_size": 16,
        "fullatt_block_indexes": [1],
    },
}
"""Of a width and a depth that three ranks do not divide."""


class Written(msgspec.Struct, frozen=True):
    """One checkpoint as it came about: (rank, name) by first appearance, and what lay there in the end."""

    order: list[tuple[int, str]]
    sizes: dict[str, int]
    begins: dict[str, bytes]

    def by(self, rank: int) -> list[str]:
        """The names of a rank's files in the order in which it made them."""
        return [name for writer, name in self.order if writer == rank]

    def place(self, name: str) -> int:
        """When the file appeared."""
        return [each for _, each in self.order].index(name)


Record = Callable[..., Written]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The toy's configuration, as the libraries and the layouts read it."""
    place = tmp_path / "toy" / "config.json"
    place.parent.mkdir()
    place.write_text(json.dumps(TOY), encoding="utf-8")
    return place


@pytest.fixture
def record(tmp_path: Path, config: Path) -> Record:
    """Lets a library save once, and tells what it wrote."""

    def recorded(name: str, environment: tuple[str, ...], *words: str) -> Written:
        python = python_with(*environment)
        output = tmp_path / "out"
        program = (python, str(Path(__file__).with_name("train_layout.py")), str(output), str(config.parent), name)
        choice = CommandChoice((*program, *words), str(output), str(tmp_path), silence=300.0)
        with CommandExperiment(Scenario(cluster=Cluster(RANKS, 1), command=choice)) as under_test:
            run = under_test.run(TapeReplay(Tape()))
            assert run.incomplete is None
            assert run.violation is None
            files = {str(path.relative_to(output)): path for path in output.rglob("*") if path.is_file()}
            order = [
                (writer, path.removeprefix(CHECKPOINT))
                for writer, path in appearances(run.attempts[0].steps)
                if path in files
            ]
            assert sorted(path for _, path in order) == sorted(path.removeprefix(CHECKPOINT) for path in files)
            return Written(
                order,
                {path.removeprefix(CHECKPOINT): file.stat().st_size for path, file in files.items()},
                {path.removeprefix(CHECKPOINT): file.read_bytes()[: 1 << 16] for path, file in files.items()},
            )

    return recorded


def appearances(steps: list[Step]) -> Iterator[tuple[int, str]]:
    """(rank, path) of each name that a rank gives a file, in the order of a run, each once."""
    seen = set()
    for step in steps:
        operation, path = step.operation, None
        if step.error is None and isinstance(operation, Open) and operation.flags & os.O_CREAT:
            path = operation.path
        elif step.error is None and isinstance(operation, Rename):
            path = operation.target
        if path is not None and path not in seen:
            seen.add(path)
            yield step.rank, path


class Case(msgspec.Struct, frozen=True):
    """A layout, and the job that writes it."""

    layout: str
    environment: tuple[str, ...] = FIVE
    frozen: bool = False
    largest: int | None = None
    options: dict[str, int] = {}

    def __str__(self) -> str:
        words = [self.layout, self.environment[0].removeprefix("layouts-")]
        return "-".join([*words, *["frozen"] * self.frozen, *["cut"] * (self.largest is not None)])


CASES: Final = (
    Case("trainer-ddp", frozen=True, largest=20_000),
    Case("trainer-ddp", FOUR, frozen=True, largest=20_000, options={"transformers": 4}),
    Case("trainer-fsdp", frozen=True),
    Case("trainer-zero2", largest=20_000),
    Case("trainer-zero3", frozen=True, largest=20_000),
    Case("trainer-lora", frozen=True),
    Case("trainer-lora-zero2", frozen=True),
    Case("trainer-lora-zero3", frozen=True),
    Case("dcp"),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_names_writers_and_order_are_those_that_the_layout_generates(
    case: Case, record: Record, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["frozen"] * case.frozen
    if case.largest is not None:
        words.append(str(case.largest))
        monkeypatch.setattr(hugging_face, "SHARD_BYTES", dict.fromkeys(hugging_face.SHARD_BYTES, case.largest))
    written = record(case.layout, case.environment, *words)
    generated = layout(case.layout, str(config), case.frozen, case.options)(RANKS)
    for rank in range(RANKS):
        assert written.by(rank) == [name_of(spec) for spec in generated if spec.writer == rank]
    assert waits(written, generated) == []
    assert wrong_bytes(written, generated) == []


def name_of(spec: ShardSpec) -> str:
    """The name at the step of the toy's only save."""
    return spec.name.format(step=1)


def waits(written: Written, generated: list[ShardSpec]) -> list[str]:
    """What appeared before something of another rank that it comes after by a barrier, a line each.

    Nobody writes states before rank 0 has gathered and written the model, or its random-number state before all have
    written the checkpoint proper; and what is in parts is committed when all parts are there.
    """
    found = []
    for spec in generated:
        place, name = written.place(name_of(spec)), name_of(spec)
        for other in generated:
            behind = (
                (spec.role in ("model_states", "optimizer") and "global_step" in name and other.role == "model")
                or (spec.name.startswith("optimizer_0/") and other.role == "model")
                or (spec.role == "rng" and "global_step" in other.name)
                or (spec.role == "metadata" and other.name.startswith(spec.name.removesuffix(".metadata") + "__"))
            )
            if behind and place < written.place(name_of(other)):
                found.append(f"{name} is before {name_of(other)}")
    return found


def wrong_bytes(written: Written, generated: list[ShardSpec]) -> list[str]:
    """Files whose bytes are known beforehand and are others: tables of tensors, and DeepSpeed's partitions."""
    found = []
    for spec in generated:
        name = name_of(spec)
        size = written.sizes[name]
        if spec.header and (size != spec.size or not written.begins[name].startswith(spec.header)):
            found.append(f"{name}: {size} bytes that do not begin as generated, {spec.size}")
        around = {"optim_states.pt": 2_000, "index.json": 0}
        if any(name.endswith(end) and abs(size - spec.size) > most for end, most in around.items()):
            found.append(f"{name}: {size} bytes, generated {spec.size}")
    return found


def test_zero2_publishes_a_step_that_other_ranks_have_not_begun_to_write(record: Record) -> None:
    """``latest`` comes before the barrier that would make it true: the order that the docstring of the layout tells."""
    written = record("trainer-zero2", FIVE)
    for rank in range(1, RANKS):
        states = f"global_step1/bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"
        assert written.place("latest") < written.place(states)
