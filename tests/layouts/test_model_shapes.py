"""Parameter lists from configurations, against counts and lists obtained elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import UsageError
from simulator.layouts import model_names, model_shape
from simulator.layouts.parameters import elements, split
from simulator.layouts.safetensors_files import index, weight_files

WITNESS: dict[str, Any] = json.loads(Path(__file__).with_name("qwen2.5-vl-72b.json").read_text(encoding="utf-8"))
"""What transformers 5.23.0 builds on torch's meta device from the configuration of Qwen2.5-VL-72B-Instruct."""


def witnessed() -> list[tuple[str, tuple[int, ...]]]:
    return [
        (block["prefix"].replace("{i}", str(i)) + name, tuple(shape))
        for block in WITNESS["layout"]
        for i in range(block.get("repeat", 1))
        for name, shape in block["tensors"]
    ]


def test_the_72b_list_is_the_one_that_transformers_builds() -> None:
    shape = model_shape("qwen2.5-vl-72b")
    assert [(p.name, p.shape) for p in shape.parameters] == witnessed()
    assert shape.elements == 73_410_777_344
    assert len(shape.parameters) == 1_353
    assert elements(shape.trainable(True)) == 72_706_203_648
    assert elements(shape.frozen(True)) == 704_573_696
    assert shape.frozen(False) == []


@pytest.mark.parametrize(
    ("name", "parameters", "tensors", "vision"),
    [
        ("qwen2.5-vl-3b", 3_754_622_976, 824, 668_684_288),
        ("qwen2.5-vl-7b", 8_292_166_656, 729, 676_550_144),
        ("qwen2.5-vl-32b", 33_452_718_336, 1_161, 688_841_984),
        ("qwen2.5-vl-72b", 73_410_777_344, 1_353, 704_573_696),
    ],
)
def test_every_size_has_its_published_number_of_parameters(
    name: str, parameters: int, tensors: int, vision: int
) -> None:
    shape = model_shape(name)
    assert shape.elements == parameters == shape.published_parameters
    assert len(shape.parameters) == tensors
    assert elements(shape.frozen(True)) == vision


def test_names_are_sorted_by_size() -> None:
    assert model_names() == ["qwen2.5-vl-3b", "qwen2.5-vl-7b", "qwen2.5-vl-32b", "qwen2.5-vl-72b"]


@pytest.mark.parametrize(
    ("maximum", "key", "files"),
    [
        (4 * 10**9, "hub_shards_4GB", 38),
        (5 * 10**9, "trainer_shards_5GB_transformers4", 31),
        (50 * 10**9, "trainer_shards_50GB_transformers5", 3),
    ],
)
def test_weights_are_cut_as_save_pretrained_cuts_them(maximum: int, key: str, files: int) -> None:
    groups = split(model_shape("qwen2.5-vl-72b").parameters, 2, maximum)
    assert [[len(group), 2 * elements(group)] for group in groups] == WITNESS[key]
    assert len(groups) == files
    assert 2 * sum(map(elements, groups)) == 146_821_554_688


def test_a_tensor_above_the_maximum_gets_a_file_of_its_own_and_leaves_the_one_being_filled() -> None:
    parameters = [p for p in model_shape("qwen2.5-vl-72b").parameters if "layers.0." in p.name]
    largest = max(p.elements for p in parameters)
    groups = split(parameters, 2, 2 * largest - 1)
    assert sorted(p.name for group in groups for p in group) == sorted(p.name for p in parameters)
    assert all(len(group) == 1 or 2 * elements(group) < 2 * largest for group in groups)


def test_the_published_index_has_the_length_of_the_computed_one() -> None:
    shape = model_shape("qwen2.5-vl-72b")
    files = weight_files(split(shape.parameters, 2, 4 * 10**9), "bfloat16", shape.published_name)
    text = index(files, "bfloat16", shape.published_name, count=False)
    assert len(text) == 108_892
    assert json.loads(text)["metadata"] == {"total_size": 146_821_554_688}
    assert len(json.loads(text)["weight_map"]) == 1_353


def test_a_configuration_file_of_the_family_is_a_model_too(tmp_path: Path) -> None:
    known = model_shape("qwen2.5-vl-3b")
    config = {
        "model_type": "qwen2_5_vl",
        "tie_word_embeddings": True,
        "text_config": {
            "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36, "num_attention_heads": 16,
            "num_key_value_heads": 2, "vocab_size": 151936,
        },
        "vision_config": {
            "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "in_chans": 3, "out_hidden_size": 2048,
            "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
        },
    }  # fmt: skip
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    assert model_shape(str(path)).parameters == known.parameters


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "No such file"),
        ("{", "not JSON"),
        ("[]", "model_type"),
        ('{"model_type": "llama"}', "model_type"),
        ('{"model_type": "qwen2_5_vl", "hidden_size": 8}', "'vocab_size'"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(tmp_path: Path, text: str | None, complaint: str) -> None:
    path = tmp_path / "config.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=complaint) as raised:
        model_shape(str(path))
    assert str(path) in str(raised.value)


def test_an_unknown_model_is_named_beside_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'gpt-5'.*qwen2\.5-vl-72b"):
        model_shape("gpt-5")
