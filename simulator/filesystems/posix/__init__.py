"""The in-memory POSIX model: inodes, names, open files, and what operations do to them."""

from simulator.filesystems.posix.inode import Inode
from simulator.filesystems.posix.model import PosixModel

__all__ = ["Inode", "PosixModel"]
