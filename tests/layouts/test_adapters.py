"""LoRA: which adapters there are, and what is saved of a job that trains only them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import UsageError
from simulator.layouts import ShardSpec, layout, model_shape
from simulator.layouts.parameters import elements
from simulator.layouts.peft import adapters

MODEL = "qwen2.5-vl-72b"
TOY = {
    "model_type": "qwen2_5_vl", "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 512,
    "vision_config": {
        "depth": 2, "hidden_size": 32, "intermediate_size": 48, "in_chans": 3, "out_hidden_size": 64, "patch_size": 14,
        "spatial_merge_size": 2, "temporal_patch_size": 2,
    },
}  # fmt: skip


def lora(name: str, world_size: int, **options: Any) -> list[ShardSpec]:
    return layout(name, MODEL, True, options)(world_size)


def sum_of(specs: list[ShardSpec], role: str) -> int:
    return sum(spec.size for spec in specs if spec.role == role)


def test_rank_8_on_all_linear_modules_of_the_72b_language_model() -> None:
    found = adapters(model_shape(MODEL), 8, frozen=True)
    assert len(found) == 1_120
    assert elements(found) == 105_267_200
    assert elements(adapters(model_shape(MODEL), 64, frozen=True)) == 842_137_600


def test_the_published_sizes_of_rank_8() -> None:
    specs = lora("trainer-lora", 32)
    assert f"{sum_of(specs, 'model') / 1e6:.0f}" == "421"
    assert sum_of(specs, "optimizer") == 8 * 105_267_200
    for name in ("trainer-lora-zero2", "trainer-lora-zero3"):
        assert f"{sum_of(lora(name, 32), 'optimizer') / 1e9:.3f}" == "1.263"


def test_the_adapter_file_of_a_toy_model_has_the_size_that_peft_writes(tmp_path: Path) -> None:
    """peft 0.21.2 on transformers 5.23.0: 21,760 parameters in 40 tensors, vision tower included, 92,496 bytes."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(TOY), encoding="utf-8")
    shape = model_shape(str(config))
    assert shape.elements == 232_608
    found = adapters(shape, 8)
    assert (elements(found), len(found)) == (21_760, 40)
    assert found[-1].name == "base_model.model.model.language_model.layers.1.mlp.down_proj.lora_B.weight"
    sizes = {spec.name: spec.size for spec in layout("trainer-lora", str(config))(1)}
    assert sizes["adapter_model.safetensors"] == 92_496


@pytest.mark.parametrize(("precision", "code"), [("bf16", b'"BF16"'), ("fp16", b'"F16"')])
@pytest.mark.parametrize("name", ["trainer-lora-zero2", "trainer-zero2", "trainer-zero3"])
def test_deepspeed_keeps_what_it_trains_in_16_bits(name: str, precision: str, code: bytes) -> None:
    specs = [spec for spec in lora(name, 4, precision=precision) if spec.header]
    assert all(code in spec.header and b'"F32"' not in spec.header for spec in specs)


def test_pefts_adapters_stay_in_float32_but_under_stage_2() -> None:
    """DeepSpeed 0.19.8 and peft 0.21.2 were seen to write them so, by the job of the tests of real layouts."""
    payload = {
        name: sum(spec.size - len(spec.header) for spec in lora(name, 4) if spec.header)
        for name in ("trainer-lora", "trainer-lora-zero2", "trainer-lora-zero3")
    }
    assert [size // 105_267_200 for size in payload.values()] == [4, 2, 4]


def test_adapters_are_written_in_pefts_order_and_the_base_model_is_not() -> None:
    specs = lora("trainer-lora-zero3", 4)
    assert [spec.name.format(step=7) for spec in specs if spec.writer == 0] == [
        "README.md", "adapter_model.safetensors", "adapter_config.json", "training_args.bin",
        "global_step7/zero_pp_rank_0_mp_rank_00_model_states.pt",
        "global_step7/bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt",
        "zero_to_fp32.py", "zero_to_torch.py", "latest",
        "scheduler.pt", "rng_state_0.pth", "trainer_state.json",
    ]  # fmt: skip
    assert sum(spec.size for spec in specs) < 2e9
    assert "global_step{step}/mp_rank_00_model_states.pt" in {spec.name for spec in lora("trainer-lora-zero2", 4)}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"lora_rank": 0}, "workload.options.lora_rank: must be at least 1, is 0"),
        (
            {"targets": "c_attn"},
            "workload.options.targets: no module of Qwen/Qwen2.5-VL-72B-Instruct is named 'c_attn'",
        ),
    ],
)
def test_what_makes_no_sense_is_named(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError) as raised:
        lora("trainer-lora", 2, **options)
    assert complaint in str(raised.value)
