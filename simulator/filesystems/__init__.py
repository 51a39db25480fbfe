"""What operations act on: the POSIX model, and a real directory."""

from simulator.filesystems.interface import (
    FIRST_DESCRIPTOR,
    LINK_TO_ROOT,
    Attributes,
    DirectoryDescriptor,
    Filesystem,
    InParts,
    WouldBlock,
)
from simulator.filesystems.posix import PosixModel
from simulator.filesystems.real import RealDirectory

__all__ = [
    "FIRST_DESCRIPTOR",
    "LINK_TO_ROOT",
    "Attributes",
    "DirectoryDescriptor",
    "Filesystem",
    "InParts",
    "PosixModel",
    "RealDirectory",
    "WouldBlock",
]
