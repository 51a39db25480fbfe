"""Programs to be run unmodified, as files: each knows its rank from torchrun's environment alone."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

from simulator.campaigns.command.experiment import CommandExperiment
from simulator.scenario import Cluster, CommandChoice, Scenario

_HEAD = """
    import os, socket, sys, time
    rank, size, root = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), sys.argv[1]

    def meet():
        # A barrier over TCP: rank 0 takes everybody in, then lets everybody go.
        place = "127.0.0.1", int(os.environ["MASTER_PORT"])
        if rank == 0:
            with socket.create_server(place) as server:
                guests = [server.accept()[0] for _ in range(size - 1)]
            for guest in guests:
                guest.sendall(b"go")
                guest.close()
            return
        while True:
            try:
                with socket.create_connection(place) as host:
                    host.recv(2)
                return
            except ConnectionRefusedError:
                time.sleep(0.01)
"""


def program(directory: Path, body: str) -> str:
    """Write a program whose body follows ``rank``, ``size``, ``root`` and ``meet``; gives its path."""
    path = directory / "program.py"
    path.write_text(dedent(_HEAD) + dedent(body), encoding="utf-8")
    return str(path)


def experiment(tmp_path: Path, body: str, *, nodes: int = 2, watch: str = "out", **more: Any) -> CommandExperiment:
    """The program, to be run with its output directory watched."""
    choice = {key: more.pop(key) for key in ("arm", "warm", "silence", "wall") if key in more}
    output = str(tmp_path / watch)
    words = (sys.executable, program(tmp_path, body), output)
    return CommandExperiment(
        Scenario(cluster=Cluster(nodes, 1), command=CommandChoice(words, output, str(tmp_path), **choice), **more)
    )


RACY = """
    staging = os.path.join(root, "tmp-checkpoint-1")
    os.makedirs(staging, exist_ok=True)
    with open(os.path.join(staging, f"rng_state_{rank}.pth"), "wb") as file:
        file.write(b"...")
    meet()
    if os.path.exists(staging):
        os.rename(staging, os.path.join(root, "checkpoint-1"))
"""

FIXED = """
    staging = os.path.join(root, "tmp-checkpoint-1")
    os.makedirs(staging, exist_ok=True)
    with open(os.path.join(staging, f"rng_state_{rank}.pth"), "wb") as file:
        file.write(b"...")
    meet()
    if rank == 0:
        os.rename(staging, os.path.join(root, "checkpoint-1"))
"""
