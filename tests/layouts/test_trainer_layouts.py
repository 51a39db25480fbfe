"""The files of a 72B checkpoint: names, writers, readers, order and sizes, by the table of the traced Trainer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import UsageError
from simulator.layouts import ShardSpec, files_of, layout, layout_names, model_shape, shape_of
from simulator.layouts.deepspeed import zero3_rank_bytes
from simulator.layouts.parameters import Parameter, by_name, elements, partition_elements
from simulator.scenario import Cluster, Workload

WITNESS: dict[str, Any] = json.loads(Path(__file__).with_name("qwen2.5-vl-72b.json").read_text(encoding="utf-8"))
MODEL = "qwen2.5-vl-72b"


def zero3(world_size: int, frozen: bool = False, **options: str | int | bool) -> list[ShardSpec]:
    return layout("trainer-zero3", MODEL, frozen, options)(world_size)


@pytest.mark.parametrize(
    ("world_size", "optimizer", "optimizer_frozen", "fragments", "files"),
    [
        (16, "55.058", "54.530", "88.1", 88),
        (32, "27.529", "27.265", "44.0", 136),
        (48, "18.353", "18.177", "29.4", 184),
        (64, "13.765", "13.632", "22.0", 232),
        (128, "6.882", "6.816", "11.0", 424),
    ],
)
def test_the_published_table_of_zero3(
    world_size: int, optimizer: str, optimizer_frozen: str, fragments: str, files: int
) -> None:
    shape = model_shape(MODEL)
    full, none = zero3_rank_bytes(shape, world_size, frozen=False)
    part, pieces = zero3_rank_bytes(shape, world_size, frozen=True)
    assert (f"{full / 1e9:.3f}", none) == (optimizer, 0)
    assert (f"{part / 1e9:.3f}", f"{pieces / 1e6:.1f}") == (optimizer_frozen, fragments)
    weights = 2 * shape.elements
    assert f"{(weights + world_size * full) / 1e9:,.1f}" == "1,027.8"
    assert f"{(weights + world_size * (part + pieces)) / 1e9:,.1f}" == "1,020.7"
    assert len(zero3(world_size, transformers=4)) == files == 3 * world_size + 40
    assert len(zero3(world_size, transformers=5)) == files - 28
    assert len(zero3(world_size, transformers=4, processor_files=True)) == files + 9


@pytest.mark.parametrize("world_size", [8, 16, 32, 48, 64, 128])
def test_partitions_are_those_of_the_witness_to_the_byte(world_size: int) -> None:
    shape = model_shape(MODEL)
    expected = WITNESS["zero3_partition"]
    full, _ = zero3_rank_bytes(shape, world_size, frozen=False)
    part, pieces = zero3_rank_bytes(shape, world_size, frozen=True)
    assert full == expected["all"][str(world_size)]["optim_states_payload_bytes_per_rank"]
    assert part == expected["text_only_vision_frozen"][str(world_size)]["optim_states_payload_bytes_per_rank"]
    assert pieces == WITNESS["zero3_frozen_vision_bf16_bytes_per_rank"][str(world_size)]
    padding = world_size * partition_elements(shape.parameters, world_size) - elements(shape.parameters)
    assert padding == expected["all"][str(world_size)]["pad_elems_total"]


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("world_size", [16, 128])
def test_files_hold_the_payload_and_little_else(world_size: int, frozen: bool) -> None:
    optimizer, pieces = zero3_rank_bytes(model_shape(MODEL), world_size, frozen)
    payload = 2 * model_shape(MODEL).elements + world_size * (optimizer + pieces)
    total = sum(spec.size for spec in zero3(world_size, frozen))
    assert 0 < total - payload < world_size * 1e6


def test_zero3_at_4_ranks_is_in_the_order_of_the_traced_run() -> None:
    names = [(spec.writer, spec.name.format(step=7)) for spec in zero3(4, processor_files=True)]
    assert [name for writer, name in names if writer == 0] == [
        "config.json", "generation_config.json",
        *(f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)), "model.safetensors.index.json",
        "training_args.bin",
        "global_step7/zero_pp_rank_0_mp_rank_00_model_states.pt",
        "global_step7/bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt",
        "zero_to_fp32.py", "zero_to_torch.py", "latest",
        "scheduler.pt", "rng_state_0.pth", "trainer_state.json",
        "tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json",
        "added_tokens.json", "preprocessor_config.json", "video_preprocessor_config.json", "chat_template.jinja",
    ]  # fmt: skip
    assert [name for writer, name in names if writer == 3] == [
        "global_step7/zero_pp_rank_3_mp_rank_00_model_states.pt",
        "global_step7/bf16_zero_pp_rank_3_mp_rank_00_optim_states.pt",
        "rng_state_3.pth",
    ]


def test_transformers_5_cuts_the_model_in_the_order_of_names() -> None:
    """As the real one was seen to do with a toy: the head first, the vision tower last. 4 goes by that in memory."""
    five = [spec.header for spec in zero3(4) if spec.header]
    four = [spec.header for spec in zero3(4, transformers=4) if spec.header]
    assert b'"lm_head.weight"' in five[0]
    assert b'"model.embed_tokens.weight"' in five[0]
    assert b'"visual.patch_embed.proj.weight"' in five[-1]
    assert not any(b'"visual.' in header for header in five[:-1])
    assert b'"visual.patch_embed.proj.weight"' in four[0]
    assert b'"lm_head.weight"' in four[-1]
    layers = {int(name.split(".")[2]) for name in json.loads(five[0][8:]) if name.startswith("model.layers.")}
    assert layers == set(range(len(layers)))


def test_names_are_sorted_by_number_and_not_by_digit() -> None:
    names = ["m.layers.10.a", "m.layers.2.b", "m.layers.2.a", "lm_head", "m.embed"]
    sorted_names = [parameter.name for parameter in by_name(Parameter(name, (1,)) for name in names)]
    assert sorted_names == ["lm_head", "m.embed", "m.layers.2.a", "m.layers.2.b", "m.layers.10.a"]


def test_a_resuming_rank_reads_its_own_states_and_not_the_gathered_model() -> None:
    read_by_2 = {spec.name for spec in zero3(4) if spec.readers is None or 2 in spec.readers}
    assert read_by_2 == {
        "global_step{step}/zero_pp_rank_2_mp_rank_00_model_states.pt",
        "global_step{step}/bf16_zero_pp_rank_2_mp_rank_00_optim_states.pt",
        "latest", "scheduler.pt", "rng_state_2.pth", "trainer_state.json",
    }  # fmt: skip


def test_options_of_zero3() -> None:
    assert not any(spec.name.endswith(".safetensors") for spec in zero3(4, gathered=False))
    assert any(spec.name.startswith("global_step{step}/zero_pp_rank_3") for spec in zero3(4, precision="fp16"))
    assert not any("bf16_" in spec.name for spec in zero3(4, precision="fp16"))


def test_zero2_has_the_model_twice_and_one_optimizer_file_a_rank() -> None:
    specs = layout("trainer-zero2", MODEL, options={"transformers": 4})(32)
    by_role: dict[str, list[ShardSpec]] = {}
    for spec in specs:
        by_role.setdefault(spec.role, []).append(spec)
    (states,) = by_role["model_states"]
    assert (states.name, states.writer) == ("global_step{step}/mp_rank_00_model_states.pt", 0)
    assert f"{states.size / 1e9:.1f}" == "146.8"
    assert [spec.writer for spec in by_role["optimizer"]] == list(range(32))
    assert f"{sum(spec.size for spec in by_role['optimizer']) / 1e9:.1f}" == "880.9"


def test_ddp_leaves_everything_but_random_numbers_to_rank_0() -> None:
    specs = layout("trainer-ddp", "qwen2.5-vl-3b")(4)
    assert [spec.name for spec in specs if spec.writer == 0] == [
        "config.json", "generation_config.json", "model.safetensors", "training_args.bin", "optimizer.pt",
        "scheduler.pt", "rng_state_0.pth", "trainer_state.json",
    ]  # fmt: skip
    assert [spec.name for spec in specs if spec.writer] == [f"rng_state_{rank}.pth" for rank in (1, 2, 3)]
    sizes = {spec.name: spec.size for spec in specs}
    assert sizes["optimizer.pt"] == 8 * 3_754_622_976
    assert 4 * 3_754_622_976 < sizes["model.safetensors"] < 4 * 3_754_622_976 + 200_000


def test_a_file_with_any_trained_weight_changes_and_a_toy_frozen_shard_does_not() -> None:
    shape = model_shape("qwen2.5-vl-3b")
    assert all(spec.changes for spec in layout("trainer-ddp", "qwen2.5-vl-3b", frozen=True)(2) if spec.role == "model")
    assert elements(shape.frozen(True)) == 668_684_288
    assert [spec.name for spec in layout("ddp", frozen=True)(1) if not spec.changes] == ["frozen.safetensors"]


@pytest.mark.parametrize("name", layout_names())
@pytest.mark.parametrize("world_size", [1, 2, 7])
def test_every_layout_names_each_file_once_and_gives_each_rank_something(name: str, world_size: int) -> None:
    specs = layout(name, None if name in ("ddp", "zero") else "qwen2.5-vl-3b")(world_size)
    names = [spec.name.format(step=1) for spec in specs]
    assert len(set(names)) == len(names)
    assert {spec.writer for spec in specs} == set(range(world_size))
    assert all(spec.size > 0 for spec in specs)


def test_a_scenarios_workload_gives_its_files_and_its_model() -> None:
    workload = Workload(layout="trainer-zero3", model=MODEL, frozen=True, options={"transformers": 4})
    assert files_of(workload, Cluster(nodes=4, ranks_per_node=8)) == zero3(32, frozen=True, transformers=4)
    assert shape_of(workload) is model_shape(MODEL)
    assert shape_of(Workload()) is None


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("nothing", None, False, {}), "workload.layout: unknown layout 'nothing'"),
        (("trainer-zero3", None, False, {}), "workload.model: layout 'trainer-zero3' needs a model"),
        (("ddp", MODEL, False, {}), "workload.model: layout 'ddp' has no model"),
        (("ddp", None, False, {"x": 1}), "workload.options: layout 'ddp' has no option 'x'"),
        (("trainer-zero3", MODEL, False, {"dtype": "bfloat16"}), "has no option 'dtype'"),
        (("trainer-zero3", MODEL, False, {"gathered": 1}), "workload.options.gathered: must be of type bool"),
        (("trainer-zero3", MODEL, False, {"transformers": 3}), "workload.options.transformers: must be one of 4, 5"),
        (("trainer-zero2", MODEL, False, {"precision": "fp8"}), "workload.options.precision: must be one of bf16"),
        (("trainer-ddp", MODEL, False, {"dtype": "fp8"}), "workload.options.dtype: must be one of float32"),
    ],
)
def test_what_makes_no_sense_is_named(arguments: tuple[Any, ...], complaint: str) -> None:
    with pytest.raises(UsageError) as raised:
        layout(*arguments)(2)
    assert complaint in str(raised.value)
