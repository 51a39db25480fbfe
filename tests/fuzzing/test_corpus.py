"""What is put into a corpus is found again, and a corpus that is none, or a newer one, is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from simulator.campaigns.fuzzing.corpus import FORMAT, Found, Kept, Progress, Shelf, open_corpus, shelf_of
from simulator.campaigns.fuzzing.proposal import Broken
from simulator.errors import UsageError
from simulator.faults import Faults
from simulator.scenario import Cluster, Scenario, StrategyChoice

ROWS = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from(["schedule", "kill", "error0"]), st.integers(-1, 9), st.integers(0, 99),
        st.integers(1, 9),
    )
)  # fmt: skip
TEXT = st.text(st.characters(codec=None), max_size=20)


def broken(message: str = "rank 1 raised", invariant: str = "no-error") -> Broken:
    return Broken(invariant, message, 1, f"{invariant}: {message}")


@given(ROWS, st.integers(0, 10**7))
def test_a_tape_is_found_again(tmp_path_factory: pytest.TempPathFactory, rows: list[Any], schedule: int) -> None:
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    kept = Kept(schedule, "random", rows)
    shelf.keep_tape(kept)
    shelf.keep_tape(kept)
    assert shelf.tapes() == [kept]


@given(TEXT, ROWS)
def test_a_failure_is_found_again_whatever_its_message_is(
    tmp_path_factory: pytest.TempPathFactory, message: str, rows: list[Any]
) -> None:
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    found = Found(3, "surw", broken(message), rows)
    shelf.keep_found(found)
    [again] = shelf.found()
    assert (again.schedule, again.arm, again.tape) == (3, "surw", rows)
    if all(not "\ud800" <= letter <= "\udfff" for letter in message):
        assert again == found


def test_a_failure_is_kept_once_and_tapes_in_the_order_of_their_schedules(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "deep" / "shelf")
    assert (shelf.tapes(), shelf.found(), shelf.progress()) == ([], [], Progress())
    first = Found(1, "pos", broken(), [])
    shelf.keep_found(first)
    shelf.keep_found(msgspec.structs.replace(first, outcome="confirmed"))
    shelf.keep_found(Found(2, "pos", broken("rank 1 hangs"), []))
    assert sorted(found.schedule for found in shelf.found()) == [1, 2]
    for schedule in (12, 3, 100_000_000):
        shelf.keep_tape(Kept(schedule, "random", []))
    assert [kept.schedule for kept in shelf.tapes()] == [3, 12, 100_000_000]
    shelf.keep_progress(Progress(5, 4, 0.5))
    assert shelf.progress() == Progress(5, 4, 0.5)


def test_the_name_of_an_invariant_of_ones_own_makes_a_file_name() -> None:
    assert Found(1, "pos", broken(invariant="../a b"), []).name.startswith("..-a-b-")


def test_what_a_killed_process_leaves_half_written_is_not_read(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.keep_tape(Kept(1, "random", []))
    (tmp_path / "tapes" / ".ckptrace-x7f").write_text("{")
    (tmp_path / "tapes" / ".ckptrace-x7f.json").write_text("{")
    assert len(shelf.tapes()) == 1


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "tapes").mkdir()
    (tmp_path / "tapes" / "1.json").write_text('{"schedule":')
    with pytest.raises(UsageError, match=r"tapes/1\.json: no whole file of a corpus"):
        Shelf(tmp_path).tapes()


def test_a_scenario_has_one_place_whatever_it_is_called_and_wherever_its_files_lie(tmp_path: Path) -> None:
    here = Scenario(program="/a/job.py:job")
    shelf = shelf_of(tmp_path, "first name", here)
    assert shelf.directory.name.startswith("first-name-")
    shelf.keep_progress(Progress(1))
    assert shelf_of(tmp_path, "second", Scenario(program="../b/job.py:job")).directory == shelf.directory
    for other in (
        Scenario(program="/a/job.py:other"),
        Scenario(program="/a/job.py:job", faults=Faults(kills=1)),
        Scenario(program="/a/job.py:job", cluster=Cluster(3, 1)),
        Scenario(strategy=StrategyChoice("manifest", {"job": 1})),
    ):
        assert shelf_of(tmp_path, "first name", other).directory != shelf.directory


def test_a_corpus_is_made_where_nothing_is_and_opened_again(tmp_path: Path) -> None:
    for directory in (tmp_path / "new" / "corpus", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        open_corpus(directory)
        open_corpus(directory)
        assert msgspec.json.decode((directory / "corpus.json").read_bytes()) == {"format": FORMAT}


def test_a_process_killed_before_the_format_was_written_leaves_an_empty_corpus(tmp_path: Path) -> None:
    (tmp_path / ".ckptrace-5jh2").write_text("{")
    open_corpus(tmp_path)


def test_what_is_no_corpus_or_a_newer_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file: Not a directory"):
        open_corpus(tmp_path / "file")
    with pytest.raises(UsageError, match="neither empty nor a corpus"):
        open_corpus(tmp_path)
    assert not (tmp_path / "corpus.json").exists()
    (tmp_path / "corpus.json").write_text(f'{{"format": {FORMAT + 1}}}')
    with pytest.raises(UsageError, match=f"a newer ckptrace wrote .format {FORMAT + 1}"):
        open_corpus(tmp_path)
    (tmp_path / "corpus.json").write_text("[]")
    with pytest.raises(UsageError, match=r"corpus\.json: no whole file"):
        open_corpus(tmp_path)
