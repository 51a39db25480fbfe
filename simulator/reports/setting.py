"""A scenario in a few words, from the plain data that results and traces keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def subject(scenario: Mapping[str, Any]) -> str:
    """What is under test: the strategy's name, or the program's, of a file without its directories."""
    strategy = scenario.get("strategy")
    if isinstance(strategy, Mapping):
        options = strategy.get("options") or {}
        said = ", ".join(f"{key}={value}" for key, value in options.items())
        return _short(f"{strategy.get('name')}") + (f" ({said})" if said else "")
    command = scenario.get("command")
    if isinstance(command, Mapping):
        return _named(command.get("words") or ())
    return _short(str(scenario.get("program") or "a program"))


def _named(words: Sequence[str]) -> str:
    """Of a command line, what it runs: the first word that is no interpreter and no option."""
    rest = [word for word in words[1:] if not word.startswith("-")]
    interpreted = bool(rest) and (words[0].rpartition("/")[2].startswith("python"))
    return (rest[0] if interpreted else words[0]).rpartition("/")[2] if words else "a program"


def _short(reference: str) -> str:
    return reference.rpartition("/")[2] if ".py:" in reference else reference


def setting(scenario: Mapping[str, Any]) -> str:
    """``2 nodes with 4 ranks each, shared file system, 2 steps, keep 1, one rank kill, 1 restart``."""
    cluster = scenario.get("cluster") or {}
    nodes, each = int(cluster.get("nodes", 1)), int(cluster.get("ranks_per_node", 1))
    parts = [f"{counted(nodes, 'node')} with {counted(each, 'rank')}" + (" each" if nodes > 1 else "")]
    profile = (scenario.get("filesystem") or {}).get("profile")
    if profile:
        parts.append(f"file system {profile}")
    parts += _workload(scenario) if scenario.get("strategy") else []
    faults = scenario.get("faults") or {}
    for field, noun in (("kills", "rank kill"), ("node_kills", "node kill"), ("power_losses", "power loss")):
        if faults.get(field):
            parts.append(counted(int(faults[field]), noun))
    if scenario.get("restarts"):
        parts.append(counted(int(scenario["restarts"]), "restart"))
    return ", ".join(parts)


def per_second(count: float, seconds: float, noun: str = "schedule") -> str:
    """``1,234 schedules/s``, ``0.25 schedules/s``; never 0 for what was done at all."""
    rate = count / seconds
    if rate >= 10 or not rate:
        return f"{counted(round(rate), noun)}/s"
    plural = counted(2, noun).partition(" ")[2]
    if f"{rate:.2g}" == "1":
        return f"1 {noun}/s"
    return f"{rate:.2g} {plural}/s" if rate >= 0.01 else f"{seconds / count:,.0f} s each"


def _workload(scenario: Mapping[str, Any]) -> list[str]:
    workload = scenario.get("workload") or {}
    parts = []
    if workload.get("model"):
        parts.append(str(workload["model"]))
    if workload.get("layout"):
        parts.append(f"layout {workload['layout']}")
    if workload.get("steps"):
        every = int(workload.get("save_every", 1))
        parts.append(counted(int(workload["steps"]), "step") + (f", a save every {every}" if every > 1 else ""))
    if workload.get("keep") is not None:
        parts.append(f"keep {workload['keep']}")
    return parts


def counted(count: int, noun: str) -> str:
    """``1 schedule``, ``2,000 schedules``."""
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "es" if noun.endswith("s") else noun + "s"
    return f"{count:,} {noun if count == 1 else plural}"
