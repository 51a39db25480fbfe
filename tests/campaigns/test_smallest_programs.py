"""The six smallest correct programs are clean and certified, each with kills, restarts and power losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator.campaigns.command.search import search
from simulator.faults import Faults
from tests.campaigns import smallest
from tests.campaigns.smallest import PROGRAMS
from tests.interposition.kernel import holds
from tests.interposition.programs import experiment

FAULTS = {
    "none": (Faults(), 0),
    "kill": (Faults(kills=1), 0),
    "kill and restart": (Faults(kills=1), 1),
    "node kill and restart": (Faults(node_kills=1), 1),
    "power loss": (Faults(power_losses=1), 0),
    "power loss and restart": (Faults(power_losses=1), 1),
    "kill, power loss and restart": (Faults(kills=1, power_losses=1), 1),
}


LEFT_OUT = {
    *(("lock", faults) for faults in FAULTS if "kill" in faults),  # Incomplete, see below.
    ("file per rank", "kill, power loss and restart"),  # More classes than a test has time for: sampled only.
}
CERTIFIED = [(name, faults) for name in PROGRAMS for faults in FAULTS if (name, faults) not in LEFT_OUT]


def given(faults: str) -> dict[str, Any]:
    budget, restarts = FAULTS[faults]
    return {"faults": budget, "restarts": restarts}


@pytest.mark.parametrize("faults", FAULTS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_sampled_it_is_clean(name: str, faults: str) -> None:
    program, pick = PROGRAMS[name]
    result = simulator.explore(program, pick=pick, schedules=60, **given(faults))
    assert result.verdict == "clean", result


@pytest.mark.parametrize(("name", "faults"), CERTIFIED)
def test_it_is_certified(name: str, faults: str) -> None:
    program, pick = PROGRAMS[name]
    result = simulator.certify(program, pick=pick, **given(faults))
    assert result.verdict == "certified", result


def test_of_a_rank_that_dies_with_a_lock_it_is_said_that_what_the_others_do_then_is_not_explored() -> None:
    program, pick = PROGRAMS["lock"]
    result = simulator.certify(program, pick=pick, **given("kill and restart"))
    assert result.verdict == "incomplete"
    assert "lets its file locks go" in str(result.reason)


@pytest.mark.parametrize("persistence", ["ext4", "xfs", "btrfs"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_it_is_certified_on_every_disk(name: str, persistence: str) -> None:
    program, pick = PROGRAMS[name]
    result = simulator.certify(program, pick=pick, persistence=persistence, faults=Faults(power_losses=1))
    assert result.verdict == "certified", result


RUN = """
    class Rank:
        index, root = rank, pathlib.Path(root)

        def broadcast(self, value):
            place = "127.0.0.1", int(os.environ["MASTER_PORT"])
            if rank == 0:
                with socket.create_server(place) as server:
                    guest = server.accept()[0]
                with guest:
                    guest.sendall(repr(value).encode())
                return value
            for _ in range(200):
                try:
                    with socket.create_connection(place) as host:
                        return ast.literal_eval(host.recv(100).decode())
                except ConnectionRefusedError:
                    time.sleep(0.01)
            raise ConnectionError("rank 0 is gone")

        def barrier(self):
            self.broadcast(None)

        def saved(self, step):
            pass

    {name}(Rank())
"""


@holds
@pytest.mark.parametrize("restarts", [0, pytest.param(1, marks=pytest.mark.slow)], ids=["", "kill and restart"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_run_as_it_is_it_is_clean(tmp_path: Path, name: str, restarts: int) -> None:
    program, _ = PROGRAMS[name]
    (tmp_path / "smallest.py").write_text(Path(smallest.__file__).read_text())
    body = "    import ast, pathlib\n    from smallest import *\n" + RUN.replace("{name}", program.__name__)
    with experiment(tmp_path, body, faults=Faults(kills=restarts), restarts=restarts) as under_test:
        result = search(under_test, schedules=4)
    assert result.verdict == "clean", result
