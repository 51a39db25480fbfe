"""Computed safetensors headers against files that the safetensors library writes."""

from __future__ import annotations

import json
from pathlib import Path

import hypothesis.strategies as st
import torch
from hypothesis import given
from safetensors import safe_open
from safetensors.torch import save

from simulator.layouts.parameters import Parameter
from simulator.layouts.safetensors_files import header, weight_files

NAMES = st.text(st.sampled_from('abz.019_é"\\'), min_size=1, max_size=12)
SHAPES = st.lists(st.integers(0, 5), max_size=3).map(tuple)
TABLES = st.dictionaries(NAMES, SHAPES, max_size=6)


@given(TABLES, st.sampled_from(["float32", "bfloat16", "float16"]))
def test_the_header_is_the_one_that_the_library_writes(table: dict[str, tuple[int, ...]], dtype: str) -> None:
    parameters = [Parameter(name, shape) for name, shape in table.items()]
    tensors = {name: torch.zeros(shape, dtype=getattr(torch, dtype)) for name, shape in table.items()}
    written = save(tensors, metadata={"format": "pt"})
    assert written.startswith(header(parameters, dtype))
    (file,) = weight_files([parameters], dtype)
    assert file.name == "model.safetensors"
    assert file.size == len(written)


def test_a_file_of_holes_after_the_header_is_a_whole_safetensors_file(tmp_path: Path) -> None:
    parameters = [Parameter("b", (3, 5)), Parameter("a", (7,))]
    (file,) = weight_files([parameters], "bfloat16")
    path = tmp_path / file.name
    path.write_bytes(header(parameters, "bfloat16"))
    with path.open("r+b") as stream:
        stream.truncate(file.size)
    with safe_open(path, "pt") as content:
        assert sorted(content.keys()) == ["a", "b"]
        assert content.get_tensor("b").shape == (3, 5)


def test_several_files_are_numbered_from_one() -> None:
    files = weight_files([[Parameter("a", (1,))], [Parameter("b", (1,))]], "float32")
    assert [file.name for file in files] == ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]


def test_names_are_renamed_before_they_are_sorted() -> None:
    text = header([Parameter("a", (1,)), Parameter("b", (1,))], "float32", {"a": "y", "b": "x"}.__getitem__)
    table = json.loads(text[8:])
    assert list(table) == ["__metadata__", "x", "y"]
    assert table["x"]["data_offsets"] == [0, 4]
