"""ckptrace explore: what it finds, what it writes, and how it ends."""

from __future__ import annotations

import shlex
from pathlib import Path

import msgspec
import pytest

from simulator.campaigns.result import Result
from tests.cli.commands import Command

RACE = ("explore", "--strategy", "transformers-4.36.0", "--invariants", "no-error", "--schedules", "50")
CLEAN = ("explore", "--strategy", "staged-barrier", "--schedules", "5")
CONFIRMED = {"confirmed", "model only", "disagree", "not asked"}


def test_a_violation_is_printed_written_and_replayed_by_the_command_that_is_printed(ckptrace: Command) -> None:
    found = ckptrace(*RACE)
    assert found.code == 1
    assert found.err == ""
    assert "violated  no-error: a rank raised" in found.out
    assert "seed 0" in found.out
    (trace,) = ckptrace.traces()
    command = next(line for line in found.out.splitlines() if line.startswith("replay"))
    replayed = ckptrace(*shlex.split(command)[2:])
    assert replayed.code == 1
    assert "the recorded failure, the recorded schedule" in " ".join(replayed.out.split())
    assert str(trace.relative_to(ckptrace.directory)) in command


def test_a_failure_is_confirmed_on_a_disk_unless_told_otherwise(ckptrace: Command) -> None:
    assert "disk    confirmed on " in ckptrace(*RACE).out
    assert "disk    " not in ckptrace(*RACE, "--no-confirm").out


def test_nothing_found_is_exit_code_0_and_says_what_was_tried(ckptrace: Command) -> None:
    clean = ckptrace(*CLEAN, "--kills", "1")
    assert clean.code == 0
    said = " ".join(clean.out.split())
    assert "Invariants judged: no-error, " in said
    assert "up to 1 rank kill" in said
    assert clean.out.startswith("clean  sampled: 5 schedules, mixed, with job death at every instant")
    assert ckptrace.traces() == []


def test_the_same_failure_is_not_written_twice_and_another_does_not_overwrite_it(ckptrace: Command) -> None:
    ckptrace(*RACE, "--no-confirm")
    (first,) = ckptrace.traces()
    content = first.read_bytes()
    ckptrace(*RACE, "--no-confirm")
    assert ckptrace.traces() == [first]
    first.write_text("something else")
    ckptrace(*RACE, "--no-confirm")
    assert first.read_text() == "something else"
    assert len(ckptrace.traces()) == 2
    assert content in {path.read_bytes() for path in ckptrace.traces()}


def test_json_on_standard_output_is_one_document_with_the_fields_of_a_result(ckptrace: Command) -> None:
    table = ckptrace(*RACE, "--json", "-").json
    left_out = {"lengths", "failure"}
    assert set(Result.__struct_fields__) - left_out <= table.keys()
    assert {"digest", "invariant", "scenario", "version", "failure"} <= table.keys()
    assert (table["verdict"], table["invariant"]) == ("violated", "no-error")
    failure = table["failure"]
    assert {"invariant", "rank", "error", "trace", "explanation"} <= failure.keys()
    assert failure["confirmation"] in CONFIRMED
    assert [Path(failure["trace"])] == [path.relative_to(ckptrace.directory) for path in ckptrace.traces()]
    assert msgspec.json.decode(Path(failure["trace"]).read_bytes())["digest"] == table["digest"]


def test_json_of_a_clean_search_has_no_failure(ckptrace: Command) -> None:
    table = ckptrace(*CLEAN, "--json", "-").json
    assert (table["verdict"], table["failure"], table["invariant"]) == ("clean", None, None)
    assert table["schedules"] == 5
    assert len(table["digest"]) == 32


def test_json_goes_beside_the_report_into_a_file(ckptrace: Command) -> None:
    found = ckptrace(*CLEAN, "--json", "deep/result.json")
    assert found.out.startswith("clean")
    assert msgspec.json.decode((ckptrace.directory / "deep" / "result.json").read_bytes())["verdict"] == "clean"


def test_a_plain_program_is_explored_and_its_trace_replays_by_name(ckptrace: Command, racy: Path) -> None:
    found = ckptrace("explore", "--program", "racy.py:saver", "--schedules", "50", "--json", "-")
    assert (found.code, found.json["invariant"]) == (1, "no-error")
    assert found.json["scenario"]["program"] == "racy.py:saver"
    assert ckptrace("replay", found.json["failure"]["trace"]).code == 1
    assert ckptrace("replay", found.json["failure"]["trace"], "--on", "real", "--strict").code == 1


def test_a_plain_program_is_judged_by_its_pick(ckptrace: Command, racy: Path) -> None:
    picked = ("--program", "racy.py:direct", "--pick", "racy.py:pick")
    found = ckptrace("explore", *picked, "--no-confirm", "--json", "-").json
    assert (found["invariant"], found["scenario"]["pick"]) == ("complete", "racy.py:pick")
    assert ckptrace("explore", *picked, "--no-job-death", "--schedules", "20").code == 0


def test_a_scenario_file_is_read_and_options_override_it(ckptrace: Command) -> None:
    ckptrace.write("job.toml", 'restarts = 1\n[cluster]\nnodes = 3\n[strategy]\nname = "staged-barrier"\n')
    scenario = ckptrace("explore", "job.toml", "--nodes", "2", "--schedules", "3", "--json", "-").json["scenario"]
    assert scenario["cluster"] == {"nodes": 2, "ranks_per_node": 1}
    assert scenario["restarts"] == 1
    assert scenario["strategy"]["name"] == "staged-barrier"


def test_every_option_of_the_scenario_reaches_it(ckptrace: Command) -> None:
    options = (
        "--ranks-per-node 1 --fs local --steps 4 --save-every 2 --keep all --best 2 --layout zero --form torch "
        "--frozen --kills 1 --node-kills 1 --restarts 1 --no-job-death --option fsync=false"
    )
    scenario = ckptrace(*CLEAN, *options.split(" "), "--json", "-").json["scenario"]
    workload, faults = scenario["workload"], scenario["faults"]
    assert (workload["steps"], workload["save_every"], workload["keep"], workload["best"]) == (4, 2, None, 2)
    assert (workload["layout"], workload["form"], scenario["filesystem"]["profile"]) == ("zero", "torch", "local")
    assert workload["frozen"] is True
    assert (faults["kills"], faults["node_kills"], faults["job_death"], scenario["restarts"]) == (1, 1, False, 1)
    assert scenario["strategy"]["options"] == {"fsync": "false"}


def test_files_that_a_scenario_names_may_lie_beside_it(ckptrace: Command, racy: Path) -> None:
    (ckptrace.directory / "deep").mkdir()
    racy.rename(ckptrace.directory / "deep" / "racy.py")
    (ckptrace.directory / "deep" / "job.toml").write_text('program = "racy.py:saver"\n')
    assert ckptrace("explore", "deep/job.toml", "--no-confirm").code == 1


def test_a_search_for_some_time_ends(ckptrace: Command) -> None:
    found = ckptrace("explore", "--strategy", "staged-barrier", "--for", "100ms", "--json", "-").json
    assert found["verdict"] == "clean"
    assert found["schedules"] >= 1


def test_the_same_seed_gives_the_same_failure(ckptrace: Command) -> None:
    first, second = (ckptrace(*RACE, "--no-confirm", "--seed", "5", "--json", "-").json for _ in range(2))
    assert first["digest"] == second["digest"]
    assert first["failure"]["schedule"] == second["failure"]["schedule"]
    assert first["seed"] == 5


def test_the_line_that_raised_is_told_everywhere(ckptrace: Command) -> None:
    ckptrace.write("job.py", "import os\ndef job(rank):\n    os.mkdir(str(rank.index))\n    {}['step']\n")
    called = ckptrace("explore", "--program", "job.py:job", "--json", "found.json")
    assert "raised KeyError: 'step', at job.py:4" in called.out
    assert not any(line.startswith("!") for line in called.out.splitlines())
    site = msgspec.json.decode((ckptrace.directory / "found.json").read_bytes())["failure"]["site"]
    assert site == "job.py:4"
    [trace] = ckptrace.traces()
    shown = ckptrace("show", trace, "--json", "-").json
    assert shown["site"] == site
    assert [row["site"] for row in shown["schedule"] if "ended" in row] == [site]
    ckptrace("show", trace, "--html", "page.html")
    assert "job.py:4</span>" in (ckptrace.directory / "page.html").read_text()


LOUD = """
import os, sys
print("module")
def job(rank):
    print("rank", rank.index, "begins")
    os.makedirs(rank.root / "a", exist_ok=True)
    print("half", end="\\r", file=sys.stderr)
    print("whole", file=sys.stderr)
    rank.barrier()
    if (rank.root / "a").exists():
        os.rmdir(rank.root / "a")
"""


def test_what_the_ranks_print_is_shown_once_by_the_failing_one(ckptrace: Command) -> None:
    ckptrace.write("job.py", LOUD)
    called = ckptrace("explore", "--program", "job.py:job")
    assert (called.err, called.out.count("begins")) == ("module\n", 1)
    lines = called.out.splitlines()
    rank = next(line for line in lines if line.startswith("rank ") and " raised " in line).split()[1]
    at = lines.index(f"rank {rank} printed, in the end:")
    assert lines[at + 1 : at + 4] == [f"  rank {rank} begins", "  whole", ""]
    [trace] = ckptrace.traces()
    for on in ("model", "real"):
        output = ckptrace("replay", trace, "--on", on, "--json", "-").json["failure"]["output"]
        assert output["1"] == "rank 1 begins\nhalf\rwhole\n"
    assert ckptrace("show", trace, "--html", "page.html").code == 0
    assert f'class="printed">rank {rank} begins\nwhole</pre>' in (ckptrace.directory / "page.html").read_text()


def test_json_on_standard_output_is_nothing_but_json(ckptrace: Command) -> None:
    ckptrace.write("job.py", LOUD)
    assert ckptrace("explore", "--program", "job.py:job", "--json", "-").json["verdict"] == "violated"


def test_a_trace_replays_from_anywhere_and_after_moving_with_its_program(
    ckptrace: Command, racy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert ckptrace("explore", "--program", "racy.py:saver", "--pick", "racy.py:pick", "--no-confirm").code == 1
    [trace] = ckptrace.traces()
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    assert ckptrace("replay", trace).code == 1
    moved = trace.rename(elsewhere / "moved.json")
    text = racy.read_text()
    racy.unlink()
    called = ckptrace("replay", moved)
    assert called.code == 2
    assert (
        called.err == f"ckptrace: racy.py: no such file; there is no racy.py beside the trace in {elsewhere} either\n"
    )
    (elsewhere / "racy.py").write_text(text)
    assert ckptrace("replay", moved).code == 1


def test_a_file_imports_what_lies_beside_it_at_once_and_when_its_functions_run(ckptrace: Command) -> None:
    directory = ckptrace.directory / "deep"
    directory.mkdir()
    (directory / "beside_at_once.py").write_text("import os\n")
    (directory / "beside_later.py").write_text("NAME = 'a'\n")
    (directory / "job.py").write_text(
        "from beside_at_once import os\ndef job(rank):\n    import beside_later\n"
        "    os.mkdir(rank.root / beside_later.NAME)\n"
    )
    found = ckptrace("explore", "--program", "deep/job.py:job", "--json", "-").json["failure"]
    assert "FileExistsError" in found["error"]
    assert found["confirmation"] == "confirmed"
