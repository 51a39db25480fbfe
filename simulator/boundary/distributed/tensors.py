"""Tensors on their way between ranks: as bytes, as gloo sends them, which knows no shapes and types of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

_TYPES = frozenset({
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.uint8, torch.bool, torch.int32,
    torch.int64,
})  # fmt: skip
"""What gloo can carry in a collective (ProcessGroupGloo, GENERATE_ALL_TYPES)."""

_BITWISE = {"BAND": torch.bitwise_and, "BOR": torch.bitwise_or, "BXOR": torch.bitwise_xor}
_ELEMENTWISE = {"SUM": torch.add, "AVG": torch.add, "PRODUCT": torch.mul, "MIN": torch.minimum, "MAX": torch.maximum}


def check_type(tensor: Any) -> None:
    """Raise what gloo raises for a tensor that it cannot carry."""
    if tensor.layout is not torch.strided:
        raise NotImplementedError(f"Could not run a collective with arguments from the '{tensor.layout}' backend.")
    if tensor.dtype not in _TYPES:
        raise RuntimeError("Invalid scalar type")


def check_sizes(call: str, tensor: Any, others: Sequence[Any]) -> None:
    """Raise what gloo raises for a list with a tensor of another size than the one beside it."""
    for index, other in enumerate(others):
        if other.shape != tensor.shape:
            sizes = f"(expected {_size(tensor)}, got {_size(other)})"
            raise RuntimeError(f"ProcessGroupGloo::{call}: invalid tensor size at index {index} {sizes}")


def split(way: str, tensor: Any, sizes: Sequence[int], count: int) -> list[Any]:
    """The parts of a tensor along its first dimension: of those sizes, or ``count`` equal ones. Raises as gloo does."""
    if not sizes:
        if tensor.numel() % count:
            raise RuntimeError(f"[enforce fail at alltoall.cc:29] {way}->size % context->size == 0.")
        return list(tensor.view(count, -1)) if tensor.numel() else [tensor] * count
    if sum(sizes) != tensor.shape[0] or len(sizes) != count:
        raise RuntimeError("Split sizes doesn't match total dim 0 size")
    return list(torch.split(tensor, list(sizes)))


def operation_of(opts: Any) -> str:
    """The name of a reduction: SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR or one that is not simulated."""
    return str(opts.reduceOp.op.name)


def check_operation(name: str, tensor: Any) -> None:
    """Raise what gloo raises for a reduction that it does not have for a tensor's type."""
    if name in _BITWISE and (tensor.dtype.is_floating_point or tensor.dtype.is_complex):
        raise RuntimeError(f"Cannot use ReduceOp.{name} with non-integral dtype")
    if name not in _BITWISE and name not in _ELEMENTWISE:
        raise RuntimeError(f"Cannot use ReduceOp.{name} with Gloo")


def packed(tensor: Any) -> bytes:
    """The elements of a tensor in order."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return bytes(flat.view(torch.uint8).numpy().tobytes()) if flat.numel() else b""


def unpacked(data: bytes, like: Any, call: str, source: int) -> Any:
    """What another rank gave, as a flat tensor of the type of ``like``. Raises RuntimeError for another size."""
    expected = like.numel() * like.element_size()
    if len(data) != expected:
        raise RuntimeError(f"{call}: rank {source} gave {len(data)} bytes where this rank has {expected}")
    if not data:
        return torch.empty(0, dtype=like.dtype)
    return torch.frombuffer(bytearray(data), dtype=torch.uint8).view(like.dtype)


def fill(tensor: Any, flat: Any) -> None:
    """Change the tensor in place, unnoticed by autograd, as C++ does it."""
    tensor.data.copy_(flat.view(tensor.shape))


def reduced(name: str, tensors: Sequence[Any]) -> Any:
    """The flat tensors combined element by element, in the order of the ranks."""
    combine = _BITWISE.get(name) or _ELEMENTWISE[name]
    result = tensors[0].clone()
    for tensor in tensors[1:]:
        result = combine(result, tensor)
    return result.div_(len(tensors)) if name == "AVG" else result


def _size(tensor: Any) -> str:
    return f"({', '.join(map(str, tensor.shape))})"
