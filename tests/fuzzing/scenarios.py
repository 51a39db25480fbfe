"""What the tests of fuzzing fuzz: small programs with races, as files that another process can import."""

from __future__ import annotations

from pathlib import Path

from simulator.campaigns.fuzzing.interface import Target
from simulator.scenario import Cluster, Scenario

PROGRAMS = '''
import os

def racy(rank):
    """Each of the ranks may find what it looks at gone, in one of three places."""
    staging = rank.root / "tmp-checkpoint-1"
    os.makedirs(staging, exist_ok=True)
    (staging / f"rng_state_{rank.index}.pth").write_bytes(b"state")
    rank.barrier()
    if staging.exists():
        os.rename(staging, rank.root / "checkpoint-1")
    rank.barrier()
    os.listdir(rank.root / "checkpoint-1")
    (rank.root / "checkpoint-1" / "rng_state_0.pth").unlink(missing_ok=True)
    if (rank.root / "checkpoint-1" / "rng_state_1.pth").exists():
        os.unlink(rank.root / "checkpoint-1" / "rng_state_1.pth")

def sound(rank):
    """Only rank 0 renames, and there is a barrier."""
    staging = rank.root / "tmp-checkpoint-1"
    os.makedirs(staging, exist_ok=True)
    (staging / f"rng_state_{rank.index}.pth").write_bytes(b"state")
    rank.barrier()
    if rank.index == 0:
        os.rename(staging, rank.root / "checkpoint-1")

def alone(rank):
    if rank.index == 0:
        os.makedirs(rank.root / "checkpoint-1")

def idle(rank):
    rank.barrier()

def endless(rank):
    while not (rank.root / "never").exists():
        os.stat(rank.root)
'''

TWO_STAGES = """
import os

def job(rank):
    if rank.index == 0:
        (rank.root / "data").write_bytes(b"")
        for number in range(6):
            (rank.root / f"other-{number}").write_bytes(b"")
        (rank.root / "marker").write_bytes(b"")
    else:
        data = (rank.root / "data").exists()
        marker = (rank.root / "marker").exists()
        assert data or not marker, "a marker without data"
"""


def scenario(program: str, directory: Path, nodes: int = 2) -> Scenario:
    """A function of ``PROGRAMS``, which is put into a file of the directory."""
    file = directory / "programs.py"
    if not file.exists():
        file.write_text(PROGRAMS)
    return Scenario(cluster=Cluster(nodes, 1), program=f"{file}:{program}")


def target(program: str, directory: Path) -> Target:
    return Target(program, scenario(program, directory))
