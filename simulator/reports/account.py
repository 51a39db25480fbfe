"""Where the ranks' time went, ranks that fared alike together."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from simulator.costs import RankUsage


class Account(msgspec.Struct, frozen=True):
    """Consecutive ranks with the same figures. Times in seconds, rounded to a tenth, sizes in bytes."""

    first: int
    last: int
    working: float
    waited: float
    longest_wait: float
    bytes_written: int

    @property
    def ranks(self) -> str:
        """``rank 0`` or ``ranks 1 to 31``."""
        return f"rank {self.first}" if self.first == self.last else f"ranks {self.first} to {self.last}"


def accounts(usage: Sequence[RankUsage]) -> list[Account]:
    """The figures of all ranks, in order."""
    found: list[Account] = []
    for rank in usage:
        one = Account(
            rank.rank, rank.rank, round(rank.busy, 1), round(rank.waited, 1), round(rank.longest_wait, 1),
            rank.bytes_written,
        )  # fmt: skip
        before = found[-1] if found else None
        if before is not None and msgspec.structs.astuple(before)[2:] == msgspec.structs.astuple(one)[2:]:
            found[-1] = msgspec.structs.replace(before, last=rank.rank)
        else:
            found.append(one)
    return found


def gigabytes(size: int) -> str:
    """``27.5 GB``, of 1e9 bytes."""
    return f"{size / 1e9:,.1f} GB"
