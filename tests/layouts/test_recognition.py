"""Which file of a checkpoint a path names."""

from __future__ import annotations

import re

from hypothesis import given, strategies as st

from simulator.layouts import Names, ShardSpec

NAMES = ["model.pt", "a/model.pt", "step{step}/shard_1", "step{step}/shard_2", "{step}", "x{step}-{step}"]
SPECS = [ShardSpec(name, "model", 0, 1) for name in NAMES]
PARTS = st.sampled_from(["a", "b", "model.pt", "step1", "step12", "shard_1", "shard_2", "1", "x3-3", "x1", "xa"])


def searched(path: str) -> list[str]:
    """Every name tried, one after the other."""
    patterns = (re.escape(name).replace(r"\{step\}", "[0-9]+") for name in NAMES)
    return [name for name, text in zip(NAMES, patterns, strict=True) if re.search(f"(?:^|/){text}$", path)]


@given(st.lists(PARTS, min_size=1, max_size=4).map("/".join))
def test_a_path_names_what_a_search_through_all_names_finds(path: str) -> None:
    assert [spec.name for spec in Names(SPECS).of(path)] == searched(path)


def test_a_shard_is_known_in_every_checkpoint_and_by_its_rank() -> None:
    names = Names([ShardSpec(f"global_step{{step}}/rank_{rank}.pt", "optimizer", rank, 1) for rank in range(20)])
    (found,) = names.of("tmp-checkpoint-3/global_step3/rank_13.pt")
    assert found.writer == 13
    assert names.of("checkpoint-3/global_step3/rank_20.pt") == []
