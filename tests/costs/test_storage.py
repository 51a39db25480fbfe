"""Bytes held at any time, against a walk through the whole tree after every operation."""

from __future__ import annotations

import os
from contextlib import suppress

import hypothesis.strategies as st
from hypothesis import given

from simulator.filesystems.posix.content import size_of
from simulator.filesystems.posix.model import PosixModel
from simulator.filesystems.posix.storage import StorageMeter
from simulator.operations import Close, Extent, Link, Mkdir, Open, Operation, Rename, Truncate, Unlink, Write

PATHS = st.sampled_from(["a", "b", "c", "d/a", "d/b"])
CHANGES = st.one_of(
    st.builds(Unlink, PATHS),
    st.builds(Rename, PATHS, PATHS),
    st.builds(Rename, st.just("d"), st.just("e")),
    st.builds(Link, PATHS, PATHS),
    st.builds(Truncate, PATHS, st.integers(0, 10**12)),
    st.tuples(PATHS, st.integers(0, 10**12), st.booleans()),
)


def held(model: PosixModel) -> int:
    inodes = {inode.number: inode for _, inode in model.walk_files()}
    return sum(size_of(inode.content) for inode in inodes.values())


@given(st.lists(CHANGES, max_size=30))
def test_the_meter_knows_what_a_walk_finds_after_every_operation(
    changes: list[Operation | tuple[str, int, bool]],
) -> None:
    model = PosixModel()
    model.perform(0, Mkdir("d"))
    meter, most = StorageMeter(model), 0
    for change in changes:
        with suppress(OSError):
            if isinstance(change, Operation):
                model.perform(0, change)
            else:
                path, size, fresh = change
                flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if fresh else 0)
                descriptor = model.perform(0, Open(path, flags))
                model.perform(0, Write(descriptor, Extent(size)))
                meter.observe()
                model.perform(0, Close(descriptor))
        meter.observe()
        most = max(most, held(model))
        assert meter.size == held(model)
    assert meter.peak >= most
    meter.close()
    assert model.tree.log is None


def test_a_save_beside_an_old_checkpoint_holds_both() -> None:
    model = PosixModel()
    meter = StorageMeter(model)
    for name in ("old", "new"):
        descriptor = model.perform(0, Open(name, os.O_WRONLY | os.O_CREAT))
        model.perform(0, Write(descriptor, Extent(7)))
        model.perform(0, Close(descriptor))
        meter.observe()
    model.perform(0, Unlink("old"))
    meter.close()
    assert (meter.size, meter.peak) == (7, 14)
