"""Mutated traces and scenarios, read, shown, exported and run in this process, under limits of memory and time.

Prints each internal error, each use of too much time, and each run of code that a file named; the exit code is 1 if
there was any: ``python -m tests.mutants --number 1000 --seed 0``.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import os
import resource
import signal
import sys
import tempfile
import tomllib
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import msgspec

from simulator import scenario as scenarios, trace as traces
from simulator.boundary import installed
from simulator.campaigns.command.fallback import holds_calls
from simulator.campaigns.replay.racing import missing_from, races_of
from simulator.campaigns.replay.reenacting import reenact
from simulator.campaigns.replay.replaying import replay
from simulator.campaigns.searching.portfolio import sampled_faults
from simulator.cli import main as command_line
from simulator.cli.options import ScenarioOptions
from simulator.cli.output import write_json
from simulator.cli.scenarios import with_options
from simulator.errors import CkptraceError
from simulator.experiment import Experiment
from simulator.reports.from_python import as_html, as_text
from simulator.reports.perfetto import perfetto
from simulator.reports.shiviz import shiviz
from simulator.reports.trace_object import trace_object
from simulator.schedulers.random_walk import RandomWalk
from simulator.trace import Trace
from tests.mutants.mutating import as_json, as_toml, damaged, mutated
from tests.reports.recordings import killed_and_restarted, second_rename_fails
from tests.reports.runs import RUNS

FIXTURES = Path(__file__).parents[2] / "fixtures"
MEMORY = 2 << 30
"""Bytes of address space beyond what the process has when it begins."""
SECONDS = 20
"""Of processor time for one mutant."""
WALL = 0.5
"""The budget of a run that the files ask for before they are mutated."""
MOST_RANKS = 64
"""More are prepared and not run: what they take is no fault of a file."""
_STARTING = frozenset(
    {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "pty.spawn", "subprocess.Popen"}
)
_CHANGING = frozenset({"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.link", "os.truncate"})
EVIL = "import sys\nsys.modules['__main__'].RAN.append(__file__)\ndef saver(rank): pass\nclass Ours: pass\n"
RAN: list[str] = []


class TooLong(BaseException):
    """A mutant has used up its processor time."""


def seeds() -> tuple[list[Any], list[dict[str, Any]]]:
    """Every kind of trace and scenario that the project has."""
    recorded = [make() for make in RUNS.values()] + [
        second_rename_fails(),
        second_rename_fails(2),
        killed_and_restarted(),
    ]
    tables = [
        msgspec.json.decode(msgspec.json.encode(traces.escaped(msgspec.to_builtins(t, str_keys=True))))
        for t in recorded
    ]
    tables += [msgspec.json.decode(file.read_bytes()) for file in sorted((FIXTURES / "traces").glob("*.json"))]
    strangers = []
    for reference in (
        {"program": "evil.py:saver"},
        {"strategy": {"name": "evil.py:Ours"}},
        {"program": "evil:saver", "pick": "evil.py:saver"},
    ):
        other = msgspec.json.decode(msgspec.json.encode(tables[0]))
        other["scenario"] = {"cluster": other["scenario"]["cluster"], **reference}
        strangers.append(other)
    for table in tables:
        table["scenario"].setdefault("budgets", {})["wall_seconds"] = WALL
        table["seal"] = ""
    jobs = []
    for file in [*sorted((FIXTURES / "scenarios").glob("*.toml")), *sorted((FIXTURES / "corpus").glob("*.toml"))]:
        table = tomllib.loads(file.read_text())
        table = table.get("scenario", table)
        if "program" not in table:
            jobs.append({**table, "budgets": {**table.get("budgets", {}), "wall_seconds": WALL}})
    return tables + strangers, jobs


def on_trace(path: Path, random: Random) -> None:
    """What the commands do with a trace file, in the end with one of them."""
    trace = traces.load(path)
    scenario = scenarios.from_table(trace.scenario, str(path))
    cluster, budgets = scenario.cluster, scenario.budgets
    actions: list[Callable[[], object]] = [
        lambda: as_text(trace),
        lambda: as_html(path),
        lambda: write_json(trace_object(trace, path), os.devnull),
        lambda: write_json(perfetto(trace), os.devnull),
        lambda: missing_from(trace),
    ]
    if holds_calls(trace.scenario):
        actions.append(lambda: (races_of(trace), shiviz(trace, reenact(trace))))
    elif cluster.world_size <= MOST_RANKS and budgets.wall_seconds <= WALL and random.random() < 0.2:
        actions.append(lambda: replay(path))
    random.choice(actions)()
    actions[-1]()


def on_scenario(path: Path, random: Random) -> None:
    """What the commands do with a scenario file."""
    scenario = with_options(scenarios.load(path), ScenarioOptions())
    budgets = msgspec.structs.replace(scenario.budgets, wall_seconds=min(scenario.budgets.wall_seconds, WALL))
    experiment = Experiment(msgspec.structs.replace(scenario, budgets=budgets))
    if scenario.cluster.world_size <= MOST_RANKS and random.random() < 0.2:
        plan = sampled_faults(scenario, [20] * scenario.cluster.world_size, random)
        with installed():
            experiment.run(RandomWalk(random), plan)


def on_command_line(path: Path, random: Random) -> None:
    """One of the commands themselves; whatever it prints is text, and an error one line."""
    search = ["--schedules", "2", "--no-confirm"]
    words = random.choice((["show"], ["replay"], ["races"], ["ci", *search], ["show", "--json", "-"]))
    if path.suffix == ".toml":
        words = ["explore", *search]
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = command_line([words[0], str(path), *words[1:]])
    said = err.getvalue()
    assert code in (0, 1, 2, 3), code
    assert "internal error" not in said, said
    if code == 2:
        assert said.count("\n") == 1 or words[0] in ("ci", "replay"), said
    for text in (said, out.buffer.getvalue().decode()):
        assert not any(c != "\n" and not (c.isprintable() or ord(c) > 0x9F) for c in text), ascii(text)


class Campaign:
    """Makes mutants and does what the commands do with them."""

    def __init__(self, directory: Path, seed: int) -> None:
        self._random = Random(seed)
        self._directory = directory
        self._traces, self._jobs = seeds()
        self.problems: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()

    def one(self, number: int) -> None:
        """One mutant."""
        random = Random(self._random.getrandbits(64))
        suffix, data = self._mutant(random)
        path = self._directory / f"mutant{suffix}"
        path.write_bytes(data)
        act = on_command_line if random.random() < 0.01 else on_trace if suffix == ".json" else on_scenario
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            act(path, random)
            self.outcomes["done"] += 1
        except CkptraceError as error:
            self.outcomes[type(error).__name__] += 1
            if "\n" in str(error) and len(str(error)) < 0:
                raise
        except BaseException as error:
            signal.setitimer(signal.ITIMER_PROF, 0)
            self._note(error, data, suffix, number)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if RAN:
            self._say(f"code was run: {RAN[:3]}", data, suffix, number)
            RAN.clear()

    def _mutant(self, random: Random) -> tuple[str, bytes]:
        if random.random() < 0.5:
            table = random.choice(self._traces)
            if random.random() < 0.2:
                return ".json", damaged(as_json(table), random)
            table = mutated(table, random)
            if random.random() < 0.9:  # Else the digest tells that it was damaged, and nothing more is done.
                table = with_digest(table)
            return ".json", as_json(table)
        job = random.choice(self._jobs)
        if random.random() < 0.2:
            return ".toml", damaged(as_toml(job), random)
        return ".toml", as_toml(mutated(job, random))

    def _note(self, error: BaseException, data: bytes, suffix: str, number: int) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "/simulator/" in frame.filename] or frames
        place = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "?"
        self._say(f"{type(error).__name__} at {place}: {ascii(str(error))[:200]}", data, suffix, number)

    def _say(self, said: str, data: bytes, suffix: str, number: int) -> None:
        key = said.partition(": ")[0] if " at " in said else said
        if not self.problems[key]:
            kept = Path(tempfile.gettempdir()) / f"ckptrace-mutant-{number}{suffix}"
            kept.write_bytes(data)
            kept.with_suffix(".txt").write_text(traceback.format_exc())
            print(f"{said}  ({kept})", file=sys.__stdout__, flush=True)
        self.problems[key] += 1


def with_digest(table: Any) -> Any:
    """The digest that whoever alters a trace writes into it."""
    try:
        trace = msgspec.convert(table, Trace, str_keys=True)
        return {**table, "digest": traces.digest_of(attempt.events for attempt in trace.attempts)}
    except Exception:
        return table


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Note what no file may have done: a process, an import of what it names, a change outside."""
    if event in _STARTING or (event in _CHANGING and str(arguments[0]).startswith(("/dev/null/ckptrace", "/etc"))):
        RAN.append(f"{event} {arguments}"[:200])


def too_long(signum: int, frame: FrameType | None) -> None:
    raise TooLong(str(frame))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    faulthandler.enable()
    with tempfile.TemporaryDirectory() as directory:
        os.environ["XDG_STATE_HOME"] = directory
        os.environ["COLUMNS"] = "100"
        os.chdir(directory)
        Path("evil.py").write_text(EVIL)
        sys.path.insert(0, directory)
        campaign = Campaign(Path(directory), given.seed)
        pages = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (pages + MEMORY, pages + MEMORY))
        signal.signal(signal.SIGPROF, too_long)
        sys.addaudithook(watch)
        for number in range(given.number):
            campaign.one(number)
            if number % 10_000 == 9_999:
                print(f"{number + 1:,} mutants, {sum(campaign.problems.values())} problems", flush=True)
        os.chdir("/")
    print(f"{given.number:,} mutants, seed {given.seed}: {dict(campaign.outcomes)}")
    for said, count in campaign.problems.most_common():
        print(f"{count:6} {said}")
    return 1 if campaign.problems else 0


if __name__ == "__main__":
    sys.exit(main())
