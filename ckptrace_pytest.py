"""The pytest plugin of ckptrace: what every session of an environment loads that has ckptrace installed.

So it imports nothing of ``simulator`` before a test is marked ``checkpoint_race``: it must cost nothing where it is not
used, and ``simulator`` is a name that the repository under test may well use itself (see ``ckptrace.py``).
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

MARKER = "checkpoint_race"

_SEED = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of race tests."""
    group = parser.getgroup("ckptrace", "checkpoint races")
    group.addoption(
        "--ckptrace-seed", type=int, metavar="N", help="seed of the tests that name none  [default: another each time]"
    )
    group.addoption(
        "--ckptrace-schedules", type=int, metavar="N", help="schedules of each test, whatever its marker says"
    )
    group.addoption(
        "--ckptrace-replay", metavar="TRACE", help="run the race test that is selected once, as the trace says"
    )
    group.addoption(
        "--ckptrace-on",
        choices=("model", "real"),
        default="model",
        help="where --ckptrace-replay runs it; real: processes on a real directory",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known; look at the options."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(nodes=2, ranks_per_node=1, schedules=1000, certify=False, ...): run the test once a rank (its "
        "argument `rank`) and schedule, with the arguments of simulator.explore, or of simulator.certify",
    )
    schedules = config.option.ckptrace_schedules
    if schedules is not None and schedules < 1:
        raise pytest.UsageError(f"--ckptrace-schedules: must be at least 1, is {schedules}")
    if config.option.ckptrace_replay is not None:
        _require()
        from simulator.pytest_plugin.race import check_trace

        check_trace(config.option.ckptrace_replay)
    elif config.option.ckptrace_on != "model":
        raise pytest.UsageError("--ckptrace-on: only for --ckptrace-replay TRACE")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """The workers of pytest-xdist share the seed, and know how wide the terminal is."""
    node.workerinput["ckptrace_seed"] = seed_of(node.config)
    node.workerinput["ckptrace_width"] = width_of(node.config)


@pytest.fixture
def rank(request: pytest.FixtureRequest) -> object:
    """One rank of a job: index, world_size, node, root, barrier() and so on. For tests marked checkpoint_race."""
    if request.node.get_closest_marker(MARKER) is None:
        pytest.fail(f"the fixture 'rank' is for tests marked @pytest.mark.{MARKER}", pytrace=False)
    return _NoRankYet()


class _NoRankYet:
    """What fixtures get that ask for a rank: they are set up before there is one."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise pytest.UsageError(
            f"rank.{name}: fixtures are set up once a test, before there are ranks; only the test function has a rank"
        )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """At collection: a marker that makes no sense, or one on a test that cannot be run once a rank, is an error."""
    if metafunc.definition.get_closest_marker(MARKER) is not None:
        _require()
        from simulator.pytest_plugin.eligibility import check_function

        check_function(metafunc.definition, metafunc.function)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """The same for markers that came later, and for tests that are no functions of pytest's."""
    if item.get_closest_marker(MARKER) is not None:
        _require()
        from simulator.pytest_plugin.eligibility import check_item

        check_item(item)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object | None:
    """Run a race test."""
    if pyfuncitem.get_closest_marker(MARKER) is None:
        return None
    from simulator.pytest_plugin.race import run

    run(pyfuncitem, seed_of(pyfuncitem.config), width_of(pyfuncitem.config))
    return True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the lanes to the report of a failure."""
    report = yield
    if call.when == "call" and item.get_closest_marker(MARKER) is not None:
        from simulator.pytest_plugin.account import complete

        complete(item, report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was explored, and the seed that repeats it."""
    reports = [report for group in terminalreporter.stats.values() for report in group]
    told = [
        (report.nodeid, dict(report.user_properties)) for report in reports if getattr(report, "when", None) == "call"
    ]
    told = [(name, properties) for name, properties in told if "ckptrace_verdict" in properties]
    if told:
        from simulator.pytest_plugin.summary import coverages_of, summary_of

        if terminalreporter.config.get_verbosity() > 0:
            for line in coverages_of(told):
                terminalreporter.write_line(line)
        terminalreporter.write_line(
            summary_of([properties for _, properties in told], seed_of(terminalreporter.config))
        )


def seed_of(config: pytest.Config) -> int:
    """The seed of all tests that name none: as given, or drawn for this session."""
    if config.option.ckptrace_seed is not None:
        return int(config.option.ckptrace_seed)
    shared: Any = getattr(config, "workerinput", {}).get("ckptrace_seed")
    if shared is not None:
        return int(shared)
    return config.stash.setdefault(_SEED, int.from_bytes(os.urandom(4), "little"))


def width_of(config: pytest.Config) -> int:
    """Columns that reports may use."""
    shared: Any = getattr(config, "workerinput", {}).get("ckptrace_width")
    if shared is not None:
        return int(shared)
    return config.get_terminal_writer().fullwidth if config.pluginmanager.has_plugin("terminalreporter") else 80


def _require() -> None:
    """Raise UsageError when another package stands in for one of this project's."""
    from ckptrace import shadowing

    problem = shadowing()
    if problem is not None:
        raise pytest.UsageError(f"ckptrace: {problem}")
