"""Forms: what is written is read back, and nothing but a whole content is taken for one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from simulator.errors import UsageError
from simulator.forms import FORMS, HEADER_SIZE, form_for
from simulator.state import Form, Shard, Stamp

ROLES = ("model", "optimizer", "scheduler", "rng", "trainer_state", "pointer")
LONG = "global_step{step}/bf16_zero_pp_rank_31_mp_rank_00_optim_states.pt"
CASES = [(name, role) for name in FORMS for role in ROLES]


def content_of(form: Form, path: Path, stamp: Stamp, size: int) -> bytes:
    form.write(str(path), stamp, size)
    return path.read_bytes()


@pytest.mark.parametrize(("name", "role"), CASES)
def test_a_content_is_read_back_as_what_it_is(tmp_path: Path, name: str, role: str) -> None:
    path, form = tmp_path / "shard", form_for(name, role)
    for stamp in (Stamp(LONG, 0), Stamp(LONG, 7), Stamp("model.safetensors", 123456)):
        form.write(str(path), stamp, 4096)
        assert form_for(name, role).read(str(path), stamp.name, 4096) == stamp


@pytest.mark.parametrize(("name", "role"), CASES)
def test_a_content_that_is_cut_short_or_emptied_is_recognised(tmp_path: Path, name: str, role: str) -> None:
    path, form = tmp_path / "shard", form_for(name, role)
    whole = content_of(form, path, Stamp("shard", 12), 300)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        if role == "pointer" and whole[:length] == b"global_step1":
            continue  # a pointer that has lost a digit is a whole pointer to another step
        with pytest.raises(ValueError, match=str(path)):
            form.read(str(path), "shard", 300)
    path.write_bytes(bytes(len(whole)))
    with pytest.raises(ValueError, match=str(path)):
        form.read(str(path), "shard", 300)
    path.write_bytes(whole + b"\0")
    with pytest.raises(ValueError, match=str(path)):
        form.read(str(path), "shard", 300)


@pytest.mark.parametrize("name", ["bytes", "torch", "safetensors"])
@given(cut=st.floats(0, 1), versions=st.tuples(st.integers(0, 99), st.integers(0, 99)))
def test_a_mixture_of_two_contents_is_never_taken_for_a_third(
    tmp_path_factory: pytest.TempPathFactory, name: str, cut: float, versions: tuple[int, int]
) -> None:
    form, path = FORMS_OF_MODELS[name], tmp_path_factory.getbasetemp() / f"mixed-{name}"
    first, second = (content_of(form, path, Stamp("shard", version), 300) for version in versions)
    mixed = first[: int(cut * len(first))] + second[int(cut * len(first)) :]
    path.write_bytes(mixed)
    if mixed in (first, second):
        assert form.read(str(path), "shard", 300).version == versions[mixed == second]
    else:
        with pytest.raises(ValueError, match=path.name):
            form.read(str(path), "shard", 300)


FORMS_OF_MODELS = {name: form_for(name, "model") for name in FORMS}


def test_checksums_tell_contents_apart_and_nothing_else() -> None:
    for name, role in CASES:
        form, other = form_for(name, role), form_for(name, role)
        assert form.checksum(Stamp("a", 1), 100) == other.checksum(Stamp("a", 1), 100)
        assert form.checksum(Stamp("a", 1), 100) != form.checksum(Stamp("a", 2), 100)


def test_a_shard_that_was_loaded_has_the_checksum_of_what_was_read(tmp_path: Path) -> None:
    form = form_for("bytes", "model")
    Shard("m", "model", 10, Stamp("m", 3), form).save(tmp_path / "m")
    shard = Shard("m", "model", 10, Stamp("m", 4), form)
    before = shard.checksum()
    shard.load(tmp_path / "m")
    assert shard.loaded == Stamp("m", 3)
    assert shard.checksum() == form.checksum(Stamp("m", 3), 10) != before


def test_torch_and_safetensors_files_are_real_ones(tmp_path: Path) -> None:
    import safetensors.torch
    import torch

    form_for("torch", "optimizer").write(str(tmp_path / "o.pt"), Stamp("o", 5), 0)
    assert torch.load(tmp_path / "o.pt", weights_only=True)["version"] == 5
    form_for("safetensors", "model").write(str(tmp_path / "m.safetensors"), Stamp("m", 6), 0)
    assert safetensors.torch.load_file(tmp_path / "m.safetensors")["version"].item() == 6
    form_for("safetensors", "optimizer").write(str(tmp_path / "p.pt"), Stamp("p", 7), 0)
    assert torch.load(tmp_path / "p.pt", weights_only=True)["version"] == 7


def test_trainer_state_and_pointer_are_what_trainer_and_deepspeed_write(tmp_path: Path) -> None:
    for name in FORMS:
        form_for(name, "trainer_state").write(str(tmp_path / "state"), Stamp("trainer_state.json", 9), 256)
        assert json.loads((tmp_path / "state").read_text())["global_step"] == 9
        form_for(name, "pointer").write(str(tmp_path / "latest"), Stamp("latest", 9), 16)
        assert (tmp_path / "latest").read_text() == "global_step9"


def test_a_size_without_bytes_has_the_size_and_takes_no_room(tmp_path: Path) -> None:
    path, size = tmp_path / "shard", 27_529_000_000
    form = form_for("size", "optimizer")
    form.write(str(path), Stamp(LONG, 3), size)
    assert path.stat().st_size == size
    assert path.stat().st_blocks * 512 < 1 << 20
    assert form.read(str(path), LONG, size) == Stamp(LONG, 3)
    for wrong in (size - 1, 0, HEADER_SIZE):
        with pytest.raises(ValueError, match=str(path)):
            form.read(str(path), LONG, wrong)
    with pytest.raises(ValueError, match=str(path)):
        form.read(str(path), "another shard", size)


def test_a_hole_is_made_by_the_hook_that_was_given(tmp_path: Path) -> None:
    asked = []
    form_for("size", "model", lambda fd, size: asked.append(size)).write(str(tmp_path / "m"), Stamp("m", 1), 1000)
    assert asked == [1000 - HEADER_SIZE]
    assert (tmp_path / "m").stat().st_size == HEADER_SIZE


def test_contents_are_the_same_in_every_process(tmp_path: Path) -> None:
    """Digests of traces rest on it. safetensors orders its metadata differently from process to process."""
    program = (
        "import sys\nfrom simulator.forms import form_for\nfrom simulator.state import Stamp\n"
        "print([form_for(f, r).checksum(Stamp('model', 3), 99) for f in ('torch', 'safetensors') "
        "for r in ('model', 'rng')])"
    )
    root = Path(__file__).parents[2]
    said = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root).stdout
        for _ in range(2)
    }
    assert len(said) == 1


def test_an_unknown_form_is_named() -> None:
    with pytest.raises(UsageError, match="'pickle'"):
        form_for("pickle", "model")
