"""Checkpoints at their own size on a real disk, as sparse files that real processes save."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from simulator.campaigns.scale import sparse_disk
from simulator.campaigns.scale.sparse_disk import save_sparse
from simulator.errors import UsageError
from simulator.forms import form_for
from simulator.layouts import layout
from simulator.scenario import Cluster, StrategyChoice, Workload
from simulator.state import Stamp
from tests.cli.commands import Command

MODEL = "qwen2.5-vl-72b"
REMEDY = StrategyChoice("staged-barrier")


def test_a_72b_checkpoint_of_a_terabyte_takes_less_than_a_megabyte(tmp_path: Path) -> None:
    saved = save_sparse(REMEDY, Workload(layout="trainer-zero3", model=MODEL), Cluster(2, 4), tmp_path)
    assert saved.problems == []
    assert (saved.processes, saved.files) == (8, len(layout("trainer-zero3", MODEL)(8)))
    assert f"{saved.size / 1e9:,.1f}" == "1,027.8"
    assert saved.allocated < 2_000_000
    assert saved.tensors == 1_353
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "tensors"), [("dcp", 0), ("trainer-lora-zero2", 1_120), ("megatron", 0)])
def test_every_kind_of_layout_is_saved_whole(tmp_path: Path, name: str, tensors: int) -> None:
    saved = save_sparse(REMEDY, Workload(layout=name, model=MODEL, frozen=True), Cluster(1, 2), tmp_path)
    assert (saved.problems, saved.tensors) == ([], tensors)
    assert saved.size == pytest.approx(sum(spec.size for spec in layout(name, MODEL, True)(2)), abs=100)


def test_files_of_the_strategys_own_are_told_apart(tmp_path: Path) -> None:
    saved = save_sparse(StrategyChoice("manifest"), Workload(layout="zero"), Cluster(1, 2), tmp_path)
    assert saved.problems == []
    assert [Path(name).name for name in saved.others] == ["manifest.json"]


def test_what_is_missing_or_torn_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "lossy.py"
    file.write_text(
        "import os\n"
        "class Lossy:\n"
        "    def save(self, rank, state, step):\n"
        "        os.makedirs(rank.root / 'checkpoint-1', exist_ok=True)\n"
        "        rank.barrier()\n"
        "        for shard in state.shards:\n"
        "            if 'rng' not in shard.name:\n"
        "                os.makedirs((rank.root / 'checkpoint-1' / shard.name).parent, exist_ok=True)\n"
        "                shard.save(rank.root / 'checkpoint-1' / shard.name)\n"
        "            if 'optim' in shard.name and rank.index == 1:\n"
        "                os.truncate(rank.root / 'checkpoint-1' / shard.name, 100)\n"
        "    def pick(self, rank): return None\n"
    )
    strategy = StrategyChoice(f"{file}:Lossy")
    saved = save_sparse(strategy, Workload(layout="trainer-zero3", model="qwen2.5-vl-3b"), Cluster(1, 2), tmp_path)
    text = "\n".join(saved.problems)
    assert "rng_state_0.pth is missing" in text
    assert "rng_state_1.pth is missing" in text
    assert "_rank_1_mp_rank_00_optim_states.pt has 100 bytes, not " in text
    assert len(saved.problems) == 4


def test_a_safetensors_file_has_its_header_then_its_stamp_then_nothing(tmp_path: Path) -> None:
    spec = next(spec for spec in layout("trainer-zero3", MODEL)(2) if spec.header)
    form, path = form_for("sparse", "model", begins=spec.header), tmp_path / "model.safetensors"
    form.write(str(path), Stamp(spec.name, 3), spec.size)
    with path.open("rb") as content:
        length = int.from_bytes(content.read(8), "little")
        table = json.loads(content.read(length))
        assert content.read(9) == b"version 3"
    assert table["__metadata__"] == {"format": "pt"}
    assert path.stat().st_size == spec.size == 8 + length + max(
        entry["data_offsets"][1] for name, entry in table.items() if name != "__metadata__"
    )  # fmt: skip
    assert form.read(str(path), spec.name, spec.size) == Stamp(spec.name, 3)
    with pytest.raises(ValueError, match="torn or foreign"):
        form_for("sparse", "model", begins=spec.header[:-1]).read(str(path), spec.name, spec.size)


@pytest.fixture
def ckptrace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(tmp_path, capsys)


REAL = ("shapes", "--nodes", "1", "--ranks-per-node", "2", "--fs", "real", "--sparse", "--dir", ".")


def test_the_command_saves_on_a_real_disk_and_says_what_is_there(ckptrace: Command) -> None:
    called = ckptrace(*REAL)
    assert called.code == 0
    said = " ".join(called.out.split())
    assert "saved by 2 processes, staged-barrier, on " in said
    assert "1.028 TB, of which the disk has " in said
    assert "no bytes were moved, so this is no timing" in said
    table = ckptrace(*REAL, "--json", "-").json
    assert (table["saved"]["problems"], table["saved"]["processes"]) == ([], 2)
    assert "header" not in table["files"][0]


def test_a_problem_is_exit_code_1(ckptrace: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    real = sparse_disk.save_sparse

    def found(*arguments: object) -> sparse_disk.Saved:
        return msgspec.structs.replace(real(*arguments), problems=["it is not there"])  # type: ignore[arg-type]

    monkeypatch.setattr(sparse_disk, "save_sparse", found)
    called = ckptrace(*REAL)
    assert called.code == 1
    assert "it is not there" in called.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("shapes", "--fs", "real"), "--fs real and --sparse belong together"),
        (("shapes", "--sparse"), "--fs real and --sparse belong together"),
        (("shapes", "--fs", "nfs", "--sparse"), "--fs: must be real, is 'nfs'"),
        ((*REAL, "--strategy", "nothing"), "unknown strategy 'nothing'"),
        ((*REAL, "--dir", "nowhere"), "nowhere: No such file or directory"),
    ],
)
def test_what_makes_no_sense_is_named(ckptrace: Command, arguments: tuple[str, ...], complaint: str) -> None:
    called = ckptrace(*arguments)
    assert (called.code, called.out) == (2, "")
    assert complaint in called.err


def test_a_directory_that_is_no_place_to_write_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gone: No such file or directory"):
        save_sparse(REMEDY, Workload(layout="zero"), Cluster(1, 2), tmp_path / "gone")
