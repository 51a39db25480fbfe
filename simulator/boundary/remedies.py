"""What to do instead of a call that is refused."""

from __future__ import annotations

from typing import Final

from simulator.boundary.audit import PAST

_COLLECTIVES: Final = "what is simulated of torch.distributed are the collectives that Python calls"
_THREADS: Final = ("threading.", "_thread.")
_PROCESSES: Final = ("multiprocessing.", "subprocess.", "os.fork", "os.system", "os.exec", "os.posix_spawn", "pty.")
_REMEDIES: Final = (
    (_THREADS, "use rank.background(function) instead of a thread"),
    (
        _PROCESSES,
        "a rank cannot start processes: call the function itself, or rank.background(function)",
    ),
    (
        ("torch.nn.parallel.DistributedDataParallel",),
        "what C++ does among ranks is not simulated: average gradients after backward() with dist.all_reduce()",
    ),
    (("torch.distributed.init_process_group(rank",), "a rank has the place that RANK and WORLD_SIZE say"),
    (("torch.distributed.", "torch.distributed:"), _COLLECTIVES),
    (("ctypes.",), "what C does to files is not simulated: use the functions of os"),
    (("socket.",), f"there is no network; {_COLLECTIVES}"),
    (("torch.load with mmap", "torch.from_file", "mmap."), "a simulated file cannot be mapped into memory: read it"),
    (
        (
            "open(", "os.open(", "os.mkdir(", "os.rmdir(", "os.unlink(", "os.remove(", "os.rename(", "os.replace(",
            "os.link(", "os.symlink(", "os.chmod(", "os.chown(", "os.lchown(", "os.utime(", "os.truncate(",
            "os.setxattr(", "os.removexattr(", "torch.save(", "sqlite3.connect(",
        ),
        "only paths below rank.root are simulated, and new ones in /tmp, /var/tmp, /dev/shm and $TMPDIR",
    ),
)  # fmt: skip


def remedy_for(call: str, library: str | None = None) -> str | None:
    """What to do instead of the call that is described so; None where nothing can be said.

    ``library`` is the installed module that makes it, if code under test does not do so itself.
    """
    if call.endswith(PAST):
        return "call the function through its module, and on paths below rank.root"
    if library is not None and call.startswith((*_THREADS, *_PROCESSES)):
        return _instead_of(library)
    return next((remedy for names, remedy in _REMEDIES if call.startswith(names)), None)


def _instead_of(library: str) -> str:
    """A thread or process that a library starts cannot be replaced by code under test."""
    as_it_is = "ckptrace run holds the threads and processes of an unmodified program"
    if library.startswith("torch.distributed.checkpoint"):
        return (
            "async_save writes in a thread or process that torch starts itself, which is not simulated: "
            f"rank.background(lambda: dcp.save(...)) saves beside training here, and {as_it_is}"
        )
    return f"{library.partition('.')[0]} starts it itself, which is not simulated: {as_it_is}"
