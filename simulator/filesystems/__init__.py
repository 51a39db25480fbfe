"""What operations act on: the POSIX model, a real directory, pyfakefs."""

from simulator.filesystems.interface import FIRST_DESCRIPTOR, Attributes, Filesystem

__all__ = ["FIRST_DESCRIPTOR", "Attributes", "Filesystem"]
