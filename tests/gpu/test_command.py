"""ckptrace gpu, on the processor; and what it says where there is no accelerator."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.cli.commands import Command
from tests.gpu.jobs import toy_model


@pytest.fixture
def ckptrace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(tmp_path, capsys)


def test_the_figures_are_printed_beside_their_yardsticks_and_written_as_costs(ckptrace: Command) -> None:
    model = toy_model(ckptrace.directory)
    toy = ("gpu", "--device", "cpu", "--model", model, "--nodes", "1", "--ranks-per-node", "4", "--dir", ".")
    called = ckptrace(*toy, "--calibrate", "costs.toml")
    assert called.code == 0
    said = " ".join(called.out.split())
    assert "the shard of one of 4 ranks" in said
    assert "of plain write(2), synced" in said
    assert "staged-barrier, 3 ranks simulated beside it: read back as it was saved" in said
    assert "as a control" in said
    assert "torch_stream = " in (ckptrace.directory / "costs.toml").read_text()
    table = ckptrace(*toy, "--json", "-").json
    assert table["problems"] == []
    assert table["overrides"]["torch_stream"] > 0
    compared = ckptrace("compare", "--strategy", "staged-barrier", "--model", model, "--nodes", "1", "--situation",
                        "job-death", "--costs", "costs.toml", "--json", "-")  # fmt: skip
    assert compared.code == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_that_is_said_in_one_line_with_exit_code_3(ckptrace: Command) -> None:
    called = ckptrace("gpu")
    assert called.code == 3
    assert called.err.startswith("ckptrace: no CUDA device (torch ")
    assert called.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--nodes", "0"), "--nodes: must be at least 1, is 0"),
        (("--device", "tpu"), "device: must be cuda, cuda:N or cpu"),
        (("--device", "cpu", "--model", "gpt-5"), "unknown model 'gpt-5'"),
        (("--device", "cpu", "--dir", "nowhere"), "nowhere: no such directory"),
        (("--calibrate", "/dev/null/costs.toml"), "/dev/null: Not a directory"),
    ],
)
def test_what_makes_no_sense_is_named(ckptrace: Command, arguments: tuple[str, ...], complaint: str) -> None:
    called = ckptrace("gpu", *arguments)
    assert called.code == 2
    assert complaint in called.err
