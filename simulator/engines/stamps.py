"""What the kernel's time stamps on a real directory mean on the simulated clock.

The ranks' clocks are simulated and the kernel's is not, so a rank that compares a file's mtime with the present would
compare two calendars. The kernel decides which change stamped an inode; its stamp is shown as the simulated time of
that change. This needs changes that are told apart by their stamps: a directory that ticks.
"""

from __future__ import annotations

import os
from bisect import bisect_left

import msgspec

from simulator.filesystems import Attributes


class Stamps:
    """The changes of one run, in order: until when the kernel can have stamped them, and their simulated times."""

    def __init__(self, directory: str) -> None:
        status = os.stat(directory)
        self._initial = (status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns)
        self._ends = [max(self._initial)]
        self._times = [0]

    def note(self, end: int, time: int) -> None:
        """A change at the simulated ``time`` is over, at ``end`` on the kernel's clock; the next one starts later."""
        if end > self._ends[-1]:
            self._ends.append(end)
            self._times.append(time)

    def shown(self, attributes: Attributes) -> Attributes:
        """The attributes with simulated times. A time that a rank has set itself is none of the kernel's stamps."""
        return msgspec.structs.replace(
            attributes,
            accessed=self._shown(attributes.accessed),
            modified=self._shown(attributes.modified),
            changed=self._shown(attributes.changed),
        )

    def _shown(self, stamp: int) -> int:
        if stamp in self._initial:
            return 0  # The root, which is older than the run.
        change = bisect_left(self._ends, stamp)
        return self._times[change] if 0 < change < len(self._ends) else stamp
