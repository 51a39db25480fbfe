"""A model as safetensors files: their headers and the index, byte for byte, without the tensors."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import msgspec

from simulator.layouts.parameters import Parameter, elements

_CODES = {"float32": ("F32", 4), "bfloat16": ("BF16", 2), "float16": ("F16", 2)}


class WeightFile(msgspec.Struct, frozen=True):
    """One file of a model. ``size`` includes the header."""

    name: str
    size: int
    parameters: tuple[Parameter, ...]
    header: bytes


def header(parameters: Sequence[Parameter], dtype: str, rename: Callable[[str], str] = str) -> bytes:
    """The first bytes of the file: the header's length, and the header, padded with spaces to a multiple of 8.

    Tensors of one type lie in order of their names. Source: the format's description in the safetensors repository.
    """
    code, width = _CODES[dtype]
    table: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name, parameter in sorted((rename(parameter.name), parameter) for parameter in parameters):
        end = start + width * parameter.elements
        table[name] = {"dtype": code, "shape": list(parameter.shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def weight_files(
    groups: Sequence[Sequence[Parameter]], dtype: str, rename: Callable[[str], str] = str
) -> list[WeightFile]:
    """The files that ``save_pretrained`` writes for parameters that were cut into groups."""
    width = _CODES[dtype][1]
    names = ["model.safetensors"]
    if len(groups) != 1:
        names = [f"model-{i:05d}-of-{len(groups):05d}.safetensors" for i in range(1, len(groups) + 1)]
    headers = [header(group, dtype, rename) for group in groups]
    return [
        WeightFile(name, len(head) + width * elements(group), tuple(group), head)
        for name, group, head in zip(names, groups, headers, strict=True)
    ]


def index(files: Sequence[WeightFile], dtype: str, rename: Callable[[str], str] = str, count: bool = True) -> bytes:
    """``model.safetensors.index.json``. With ``count`` it has the number of parameters, as newer versions write it."""
    total = sum(elements(file.parameters) for file in files)
    metadata: dict[str, int] = {"total_parameters": total} if count else {}
    metadata["total_size"] = total * _CODES[dtype][1]
    weight_map = {rename(parameter.name): file.name for file in files for parameter in file.parameters}
    return (json.dumps({"metadata": metadata, "weight_map": weight_map}, indent=2, sort_keys=True) + "\n").encode()
