"""ckptrace shapes: the published figures of 72B, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands import Command

HUB_FILES, HUB_BYTES = 38, 146_821_554_688


@pytest.fixture
def ckptrace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(tmp_path, capsys)


def test_the_counts_of_72b_are_the_published_ones(ckptrace: Command) -> None:
    model = ckptrace("shapes", "--model", "qwen2.5-vl-72b", "--json", "-").json["model"]
    assert (model["parameters"], model["tensors"], model["size"]) == (73_410_777_344, 1_353, HUB_BYTES)
    assert (len(model["published_files"]), sum(model["published_files"])) == (HUB_FILES, HUB_BYTES)
    assert [size for size in model["published_files"] if size > 4e9] == []


@pytest.mark.parametrize(("transformers", "files"), [(4, 31), (5, 3)])
def test_the_trainers_files_follow_from_the_version_of_transformers(
    ckptrace: Command, transformers: int, files: int
) -> None:
    table = ckptrace("shapes", "--option", f"transformers={transformers}", "--json", "-").json
    weights = [file for file in table["files"] if file["name"].endswith(".safetensors")]
    assert len(weights) == files
    assert {file["writer"] for file in weights} == {0}
    assert table["options"]["transformers"] == transformers


@pytest.mark.parametrize(
    ("nodes", "size", "frozen_size"),
    [(2, 55.058, 54.530), (4, 27.529, 27.265), (6, 18.353, 18.177), (8, 13.765, 13.632), (16, 6.882, 6.816)],
)
def test_the_optimizer_shard_of_each_rank(ckptrace: Command, nodes: int, size: float, frozen_size: float) -> None:
    for options, expected in (((), size), (("--frozen",), frozen_size)):
        table = ckptrace("shapes", "--nodes", str(nodes), "--ranks-per-node", "8", *options, "--json", "-").json
        (kind,) = [kind for kind in table["totals"]["kinds"] if kind["role"] == "optimizer"]
        assert (kind["files"], kind["writers"]) == (8 * nodes, 8 * nodes)
        assert round(kind["largest"] / 1e9, 3) == expected
        assert kind["smallest"] == kind["largest"]


def test_the_text_names_files_of_a_kind_in_one_line_and_what_each_rank_writes(ckptrace: Command) -> None:
    said = ckptrace("shapes", "--option", "transformers=4").out
    assert "73,410,777,344 parameters in 1,353 tensors" in said
    assert "published in 38 files of at most 4 GB" in said
    assert "136 files, 1.028 TB" in said
    assert "rng_state_{0..31}.pth" in said
    assert "ranks 1 to 31: 27.530 GB in 3 files each" in said
    assert "global_step{step}/zero_pp_rank_17" not in said
    assert "zero_pp_rank_17" in ckptrace("shapes", "--files").out


def test_every_layout_is_listed_with_its_options(ckptrace: Command) -> None:
    table = ckptrace("shapes", "--layout", "list", "--json", "-").json
    assert "qwen2.5-vl-72b" in table["models"]
    by_name = {each["name"]: each["options"] for each in table["layouts"]}
    assert by_name["trainer-zero3"]["gathered"] is True
    assert "megatron" in ckptrace("shapes", "--layout", "list").out


def test_a_toy_layout_has_no_model(ckptrace: Command) -> None:
    assert ckptrace("shapes", "--layout", "ddp", "--json", "-").json["model"] is None


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--layout", "tar"), "unknown layout 'tar'"),
        (("--model", "gpt-5"), "unknown model 'gpt-5'"),
        (("--nodes", "0"), "--nodes: must be at least 1, is 0"),
        (("--option", "transformers=four"), "workload.options.transformers: must be a whole number, is 'four'"),
        (("--option", "gathered=1"), "workload.options.gathered: must be true or false, is '1'"),
        (("--option", "colour=red"), "has no option 'colour'"),
    ],
)
def test_what_makes_no_sense_is_named(ckptrace: Command, arguments: tuple[str, ...], complaint: str) -> None:
    called = ckptrace("shapes", *arguments)
    assert (called.code, called.out) == (2, "")
    assert complaint in called.err
