"""Descriptor numbers of one rank."""

from __future__ import annotations

import errno
from os import strerror
from typing import Generic, TypeVar

from simulator.filesystems.interface import FIRST_DESCRIPTOR

Held = TypeVar("Held")


class DescriptorTable(Generic[Held]):
    """What each descriptor of a rank stands for. No number below ``lowest`` is free."""

    __slots__ = ("lowest", "opened")

    def __init__(self) -> None:
        self.opened: dict[int, Held] = {}
        self.lowest = FIRST_DESCRIPTOR

    def smallest_free(self) -> int:
        """The number that the next open gets: the smallest one, as POSIX wants it."""
        number = self.lowest
        while number in self.opened:
            number += 1
        return number

    def install(self, held: Held) -> int:
        """Give ``held`` the smallest free number."""
        number = self.smallest_free()
        self.opened[number] = held
        self.lowest = number + 1
        return number

    def remove(self, number: int) -> Held:
        """Free a number. Raises EBADF."""
        held = self.get(number)
        del self.opened[number]
        self.lowest = min(self.lowest, number)
        return held

    def get(self, number: int) -> Held:
        """What a number stands for. Raises EBADF."""
        try:
            return self.opened[number]
        except KeyError:
            raise OSError(errno.EBADF, strerror(errno.EBADF)) from None
