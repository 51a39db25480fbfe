"""Kills commands at random instants, each time in what the kill before has left: ``python -m tests.ending.kills 1000``.

After each kill no process may be left, and each file must be whole; now and then, and in the end, the next start must
work to its end. The figures that are printed are what was done.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from random import Random
from typing import NamedTuple
from xml.etree import ElementTree

from simulator.interposition.filter import why_not
from simulator.trace import load
from tests.ending.processes import Started

PROGRAMS = """
import os

def racy(rank):
    staging = rank.root / "tmp-checkpoint-1"
    os.makedirs(staging, exist_ok=True)
    (staging / f"rng_state_{rank.index}.pth").write_bytes(b"...")
    rank.barrier()
    if staging.exists():
        os.rename(staging, rank.root / "checkpoint-1")

def racing(rank):
    for n in range(8):
        (rank.root / "shared").write_text(f"{rank.index}")
"""
TRAINING = """
import os, subprocess, sys, time
rank, root = os.environ["RANK"], sys.argv[1]
daemon = "import os, time\\nif os.fork(): os._exit(0)\\nos.setsid()\\ntime.sleep(3600)"
subprocess.run([sys.executable, "-c", daemon])
for step in range(6):
    os.makedirs(os.path.join(root, f"checkpoint-{step}"), exist_ok=True)
    open(os.path.join(root, f"checkpoint-{step}", f"rank-{rank}"), "w").close()
"""
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Line(NamedTuple):
    """A command: what is killed, and a short one of its kind that must work in what is left."""

    words: tuple[str, ...]
    short: tuple[str, ...]
    codes: tuple[int, ...]
    """The exit codes of the short one."""
    seconds: float = 3.0
    """The instants are spread over so many seconds, of which an unloaded machine needs one for the start alone."""


def _lines() -> list[Line]:
    json_, many = ("--json", "found.json"), ("--schedules", "100000000")
    explore = ("explore", "--program", "programs.py:racing", *json_)
    failing = ("explore", "--program", "programs.py:racy", *json_)
    certify = ("certify", "--program", "programs.py:racing", "--checkpoint", "kept", *json_)
    fuzz = ("fuzz", "--program", "programs.py:racy", "--no-confirm", *json_)
    ci = ("ci", "cases", "--junit", "junit.xml", "--summary", "summary.md", *json_)
    compare = ("compare", "--nodes", "2", "--ranks-per-node", "1", "--strategy", "manifest", *json_)
    page = ("--html", "page.html")
    lines = [
        Line((*explore, *many), (*explore, "--schedules", "2"), (0,)),
        Line(failing, failing, (1,)),
        Line(certify, (*certify, "--max-classes", "1"), (3,)),
        Line((*certify, "--workers", "2"), (*certify, "--max-classes", "1"), (3,)),
        Line((*fuzz, "--workers", "1"), (*fuzz, "--workers", "1", "--schedules", "1"), (0, 1)),
        Line((*fuzz, "--workers", "2"), (*fuzz, "--workers", "1", "--schedules", "1"), (0, 1)),
        Line((*ci, *many), (*ci, "--schedules", "2"), (0, 1)),
        Line(
            (*compare, "--strategy", "staged-barrier", "--for", "60s", *page),
            (*compare, "--for", "0.1s", "--schedules", "2", "--situation", "undisturbed", *page),
            (0, 1),
        ),
        Line(("replay", "known.json", "--on", "real", *json_), ("replay", "known.json", *json_), (1,)),
        Line(("show", "known.json", *page), ("show", "known.json", *page), (0,), 1.5),
        Line(("races", "known.json", *json_), ("races", "known.json", *json_), (0,), 1.5),
        Line(("demo", *json_), ("strategies",), (0,), 8.0),
        Line(("shapes", *json_), ("profiles",), (0,), 1.5),
    ]
    if why_not() is None:
        for more in ((), ("--cold",)):
            run = ("run", "--watch", "watched", *more)
            words = ("--", sys.executable, "training.py", "watched")
            lines.append(Line((*run, *many, *json_, *words), (*run, "--dry", *words), (0,)))
    return lines


def kill_at_random_instants(
    directory: Path, kills: int, seed: int, say: Callable[[str], None], only: Collection[str] = ()
) -> Counter[str]:
    """Kill so many times; gives how often what was done. Fails, naming the command and the instant, where it must.

    ``only`` are the names of the commands, one of each; without, all.
    """
    random = Random(seed)
    lines = _lines()
    if only:
        lines = list({line.words[0]: line for line in lines if line.words[0] in only}.values())
    done: Counter[str] = Counter()
    places = [_prepared(directory / f"{number}-{line.words[0]}") for number, line in enumerate(lines)]
    touched: set[int] = set()
    order: list[int] = []
    for count in range(kills):
        order = order or random.sample(range(len(lines)), len(lines))
        number = order.pop()
        line, place = lines[number], places[number]
        touched.add(number)
        signalled, group = random.choice(SIGNALS), random.random() < 0.5
        instant = random.random() * line.seconds
        said = f"{signal.Signals(signalled).name} after {instant:.3f} s of {' '.join(line.words)}"
        command = Started(place, *line.words)
        time.sleep(instant)
        going_on = command.process.poll() is None
        if going_on:
            command.kill(signalled, group=group and signalled != signal.SIGKILL)
        code = command.end()
        command.assert_nobody_is_left()
        printed = command.printed()
        # Before Python has come to the command, the signal ends it as it ends any program.
        assert code in (0, 1, 3) or -code == signalled, f"{said}: exit code {code}\n{printed}"
        assert "internal error" not in printed, f"{said}:\n{printed}"
        _assert_files_are_whole(place, said)
        done[f"{line.words[0]} {signal.Signals(signalled).name}" if going_on else "had ended"] += 1
        if not only and random.random() < 0.1:
            _assert_the_next_start_works(line, place, said)
            done["next starts to their end"] += 1
        if (count + 1) % 50 == 0:
            say(f"{count + 1} kills")
    for number in sorted(touched):
        _assert_the_next_start_works(lines[number], places[number], "in the end")
        done["next starts to their end"] += 1
    return done


def _prepared(place: Path) -> Path:
    (place / "cases").mkdir(parents=True)
    (place / "programs.py").write_text(PROGRAMS)
    (place / "training.py").write_text(TRAINING)
    for name in ("racy", "racing"):
        (place / "cases" / f"{name}.toml").write_text(f'program = "../programs.py:{name}"\n')
    if place.name.partition("-")[2] in ("replay", "show", "races"):
        made = Started(place, "explore", "--program", "programs.py:racy", "--no-confirm", "--out", "made")
        assert made.end() == 1, made.printed()
        [trace] = (place / "made").iterdir()
        trace.rename(place / "known.json")
    return place


def _assert_the_next_start_works(line: Line, place: Path, said: str) -> None:
    again = Started(place, *line.short)
    code = again.end()
    again.assert_nobody_is_left()
    assert code in line.codes, f"{said}: the next start gives {code}\n{again.printed()}"
    _assert_files_are_whole(place, f"the next start, {said}")
    watched = place / "watched"
    assert not watched.exists() or not any(watched.iterdir()), f"{said}: {watched} is not empty"


def _assert_files_are_whole(place: Path, said: str) -> None:
    for path in place.rglob("*"):
        if not path.is_file() or "watched" in path.relative_to(place).parts:
            continue
        assert not path.name.startswith(".ckptrace-"), f"{said}: {path} is left"
        try:
            if path.suffix == ".json":
                table = json.loads(path.read_bytes())
                if "attempts" in table:
                    load(path)
            elif path.suffix == ".xml":
                ElementTree.parse(path)
            elif path.suffix == ".html":
                assert path.read_text().rstrip().endswith("</html>")
            elif path.name == "kept":
                assert path.stat().st_size
        except Exception as error:
            raise AssertionError(f"{said}: {path} is not whole: {error}") from error


def main() -> None:
    """As many kills as the first argument says, with the seed that the second one is."""
    kills, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        done = kill_at_random_instants(Path(directory), kills, seed, lambda text: print(text, flush=True))
    for what, count in sorted(done.items()):
        print(f"{count:6,}  {what}")
    print(
        f"{kills:,} starts, {kills - done['had ended']:,} of them killed, in {time.monotonic() - started:.0f} s: sound"
    )


if __name__ == "__main__":
    main()
