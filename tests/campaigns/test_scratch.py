"""Directories for temporary files: of each node for itself, on another device, gone with the node, and replayed."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator.errors import Escape
from simulator.faults import Faults
from simulator.filesystems import PosixModel, RealDirectory
from simulator.operations import Link, Mkdir, Open, Operation, Readdir, Readlink, Rename, Rmdir, Stat, Symlink, Unlink
from simulator.rank import Rank
from simulator.scenario import FilesystemChoice


def by_move(rank: Rank) -> None:
    """What object-store libraries do: written to a temporary directory, then moved, which is a copy here."""
    if rank.index == 0:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "model")
            path.write_bytes(b"model")
            shutil.move(path, rank.root / "checkpoint")
    rank.barrier()
    rank.saved(1)


def by_move_and_rename(rank: Rank) -> None:
    """Moved beside its place first."""
    if rank.index == 0:
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(b"model")
        shutil.move(file.name, rank.root / "checkpoint.tmp")
        os.rename(rank.root / "checkpoint.tmp", rank.root / "checkpoint")
    rank.barrier()
    rank.saved(1)


def pick(root: Path) -> Path | None:
    return root / "checkpoint" if (root / "checkpoint").exists() else None


SEARCHES: list[Callable[..., Any]] = [simulator.certify, lambda *a, **k: simulator.explore(*a, schedules=60, **k)]


@pytest.mark.parametrize("search", SEARCHES, ids=["certify", "explore"])
def test_a_move_from_a_temporary_directory_is_a_copy_that_a_death_tears(search: Callable[..., Any]) -> None:
    failure = search(by_move, pick=pick).failure
    assert failure is not None
    assert failure.invariant == "content"
    assert search(by_move_and_rename, pick=pick).verdict in ("clean", "certified")


def test_it_is_confirmed_by_real_processes_with_a_scratch_of_their_own(tmp_path: Path) -> None:
    result = simulator.explore(by_move, pick=pick, schedules=20)
    assert result.failure is not None
    before = set(os.listdir(tempfile.gettempdir()))
    replayed = simulator.replay(result.failure, on="real", directory=tmp_path)
    assert (replayed.verdict, replayed.digest) == ("violated", result.failure.trace.digest)
    assert os.listdir(tmp_path) == []
    assert not [name for name in set(os.listdir(tempfile.gettempdir())) - before if name.startswith("tmp")]


def everything(rank: Rank) -> None:
    """Each way to a temporary file, and what tells one device from another."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "a")
        Path(path).write_bytes(b"a")
        assert os.listdir(directory) == ["a"]
        assert os.stat(path).st_dev != os.stat(rank.root).st_dev
        for change in (os.rename, os.replace, os.link):
            with pytest.raises(OSError, match="Invalid cross-device link") as raised:
                change(path, rank.root / str(rank.index))
            assert raised.value.errno == errno.EXDEV
        with pytest.raises(OSError, match="Invalid cross-device link"):
            os.rename(rank.root, path)
        os.rename(path, path + "2")
        os.symlink(path + "2", path)
        assert os.readlink(path) == path + "2"
        assert Path(path).read_bytes() == b"a"
        os.chdir(directory)
        assert Path("a2").exists()
        assert os.getcwd() == directory
        os.chdir(rank.root)
        shutil.move(path + "2", rank.root / f"moved-{rank.index}")
    assert not os.path.exists(directory)
    descriptor, name = tempfile.mkstemp(dir="/dev/shm")
    os.close(descriptor)
    os.unlink(name)
    with tempfile.TemporaryFile() as file, tempfile.NamedTemporaryFile() as named:
        file.write(b"a")
        assert Path(named.name).exists()
    assert shutil.disk_usage("/tmp").total > 0


@pytest.mark.parametrize(
    "profile", ["shared", "nfs", "meta-stale", "beegfs", "per-node", "fuse-mtime", "object-store", "cross-device"]
)
def test_every_way_to_a_temporary_file_works_on_every_profile(profile: str) -> None:
    choice = FilesystemChoice(profile)
    result = simulator.explore(everything, filesystem=choice, ranks_per_node=2, nodes=1, schedules=8)
    assert result.verdict == "clean", result


def test_the_names_of_temporary_files_are_the_ranks_own() -> None:
    def named(rank: Rank) -> str:
        with tempfile.NamedTemporaryFile() as file:
            assert os.listdir("/tmp").count(os.path.basename(file.name)) == 1
            rank.barrier()
            return file.name

    seen: list[dict[int, str]] = []

    def differ(world: Any) -> None:
        seen.append(dict(world.returned))

    simulator.explore(named, ranks_per_node=2, nodes=1, invariants=[simulator.at_end(differ)], schedules=10)
    whole = [names for names in seen if len(names) == 2]
    assert len({tuple(sorted(names.items())) for names in whole}) == 1
    assert len(set(whole[0].values())) == 2


def shares(rank: Rank) -> bool:
    """Whether the other rank's mark is seen."""
    Path(f"/tmp/mark-{rank.index}").touch()
    rank.barrier()
    return all(Path(f"/tmp/mark-{other}").exists() for other in range(rank.world_size))


@pytest.mark.parametrize(("nodes", "ranks_per_node"), [(1, 2), (2, 1)])
def test_a_node_shares_its_scratch_with_its_ranks_and_with_nobody_else(nodes: int, ranks_per_node: int) -> None:
    def shared(world: Any) -> str | None:
        found = set(world.returned.values())
        return None if found <= {nodes == 1} else f"{found}"

    check = simulator.at_end(shared)
    assert (
        simulator.certify(shares, nodes=nodes, ranks_per_node=ranks_per_node, invariants=[check]).verdict == "certified"
    )


def counts(rank: Rank) -> None:
    """A race in scratch: both may find that they are the first."""
    first = not os.path.exists("/tmp/first")
    Path("/tmp/first").touch()
    if first:
        (rank.root / "only").mkdir()


def test_exhaustive_search_sees_conflicts_in_the_scratch_of_a_node() -> None:
    together = simulator.certify(counts, nodes=1, ranks_per_node=2)
    assert together.failure is not None
    assert "FileExistsError" in together.failure.error
    apart = simulator.certify(shares, nodes=2, ranks_per_node=1)
    assert (apart.verdict, apart.classes) == ("certified", 1)


def keeps(rank: Rank) -> None:
    """What an attempt leaves in scratch is told by the next one."""
    attempt = rank.attempt
    kept = os.path.exists("/tmp/kept")
    Path("/tmp/kept").touch()
    (rank.root / f"{attempt}-{rank.index}-{kept}").touch()
    rank.barrier()
    (rank.root / f"over-{attempt}").touch()


@pytest.mark.parametrize(
    ("faults", "kept"),
    [
        (Faults(kills=1), {"True"}),
        (Faults(node_kills=1), {"True", "False"}),
        (Faults(power_losses=1), {"True", "False"}),
    ],
    ids=["rank", "node", "power"],
)
def test_scratch_outlives_a_rank_and_not_its_node(faults: Faults, kept: set[str]) -> None:
    found: set[str] = set()

    def told(world: Any) -> None:
        names = os.listdir(world.root)
        if "over-0" in names or "over-1" not in names:
            return  # Not struck in the first attempt, or not yet over.
        first = {name.split("-")[1] for name in names if name.startswith("0-")}
        found.update(name.split("-")[2] for name in names if name.startswith("1-") and name.split("-")[1] in first)

    result = simulator.explore(
        keeps, faults=faults, restarts=1, invariants=[simulator.at_end(told)], persistence="nfs", schedules=300
    )
    assert result.verdict == "clean", result
    assert "True" in found or faults.power_losses
    assert ("False" in found) == ("False" in kept)


def test_what_really_exists_there_can_be_read_and_not_be_written() -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "data").write_text("fixture")

        def reads(rank: Rank) -> None:
            (rank.root / f"{rank.index}").write_text(Path(directory, "data").read_text())
            assert os.listdir(directory) == ["data"]

        def writes(rank: Rank) -> None:
            Path(directory, "more").touch()

        assert simulator.explore(reads, schedules=5).verdict == "clean"
        with pytest.raises(Escape, match=f"{directory}/more"):
            simulator.explore(writes, schedules=5)
        assert os.listdir(directory) == ["data"]


CALLS = [
    Mkdir("d", 0o755),
    Mkdir("/tmp/d", 0o755),
    Open("/tmp/d/a", os.O_CREAT | os.O_WRONLY, 0o644),
    Open("a", os.O_CREAT | os.O_WRONLY, 0o644),
    *(Rename(source, target) for source in ("/tmp/d/a", "a", "/tmp/none/a") for target in ("/tmp/d/a", "b", "none/b")),
    *(Link(source, target) for source in ("/tmp/d/a", "b", "/tmp/none") for target in ("/tmp/d/a", "/tmp/e", "b", "f")),
    Symlink("/tmp/d", "/tmp/l"),
    Readlink("/tmp/l"),
    Readdir("/tmp/l"),
    Readdir("/tmp"),
    Readdir(""),
    Stat("/tmp/l/a"),
    Stat("/tmp/l", False),
    Rmdir("/tmp/d"),
    Unlink("/tmp/d/a"),
    Rmdir("/tmp/d"),
    Stat("/var/tmp"),
]


def test_the_model_and_a_real_directory_agree_on_what_is_where(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir(0o755)
    model = PosixModel()
    model.tree.ranks_per_node = 2
    with closing(RealDirectory(tmp_path / "root", ranks_per_node=2)) as real:
        for rank in (0, 1, 2):
            for call in CALLS:
                given = [_given(filesystem, rank, call) for filesystem in (model, real)]
                assert given[0] == given[1], (rank, call)
        for filesystem in (model, real):
            filesystem.lose_scratch(0)
            filesystem.release(0)
            assert filesystem.perform(1, Readdir("/tmp")) == ()
            assert [name for name, _, _ in filesystem.perform(2, Readdir("/tmp"))] == ["e", "l"]


def _given(filesystem: Any, rank: int, call: Operation) -> Any:
    try:
        value = filesystem.perform(rank, call)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    if isinstance(call, Readdir):
        return [(name, kind) for name, kind, _ in value]
    return (value.mode, value.links, value.size, value.device) if isinstance(call, Stat) else value


def test_a_transaction_of_fsspec_moves_what_it_wrote_to_a_temporary_file() -> None:
    local = pytest.importorskip("fsspec.implementations.local", reason="fsspec is not installed")

    def transaction(rank: Rank) -> None:
        if rank.index == 0:
            files = local.LocalFileSystem(skip_instance_cache=True)
            with files.transaction, files.open(str(rank.root / "checkpoint"), "wb") as file:
                file.write(b"model")
        rank.barrier()
        rank.saved(1)

    result = simulator.explore(transaction, pick=pick, schedules=20)
    assert result.failure is not None
    assert result.failure.invariant == "content"
    assert simulator.replay(result.failure, on="real").verdict == "violated"


def test_of_a_node_that_dies_exhaustive_search_says_that_it_does_not_go_on_without_the_scratch() -> None:
    result = simulator.certify(by_move_and_rename, pick=pick, faults=Faults(node_kills=1), restarts=1)
    assert result.verdict == "incomplete"
    assert "directory for temporary files" in str(result.reason)
