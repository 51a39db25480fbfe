"""No barrier, sync, rename, deletion, guard or broadcast of a certified strategy can go without a certificate telling.

What is certified all the same, without a word, is listed with the reason why nobody could tell.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.strategies.mutants import CERTIFIED, built, certificates, fate, files_of, mutants_of

TWICE = "the next save cleans up the same, and an attempt that saves nothing is not judged for what it leaves"
OTHERS = "for those others that gave no names there is nothing to delete"
FLAT = "files of the toy layouts lie in no subdirectory"
INTACT = "a restart takes no checkpoint that is not intact, whether its manifest is there or not"
BESIDE = "shards that changed lie beside the links, and their directory is synced after the links were made"
LESS = "less is reused: all of it is written anew"
LATER = "no invariant counts on it that a rank goes on only when the checkpoint is published: rank 0 publishes it"

SILENT = {
    "staged_barrier.py StagedBarrier.save: without rank.barrier() #2": LATER,
    "staged_barrier.py StagedBarrier.save: always if leader #2": OTHERS,
    "staged_barrier.py StagedBarrier.recover: always if rank.index == 0": "both delete the same, and none minds",
    "staged_barrier.py StagedBarrier.recover: never if rank.index == 0": TWICE,
    "staged_barrier.py StagedBarrier.recover: without _clear(rank.root, names)": TWICE,
    "staged_barrier.py StagedBarrier.recover: without "
    "retire(rank.root, set(checkpoints(names)) - kept, self.fsync)": TWICE,
    "staged_barrier.py StagedBarrier.load: without shard.load(checkpoint / shard.name)": (
        "what a load tells nothing of, the judge reads from the files itself"
    ),
    "per_node_dirs.py PerNodeDirectories.save: always if leader": "making a directory that is there harms nobody",
    "per_node_dirs.py PerNodeDirectories.save: always if leader #2": OTHERS,
    "per_node_dirs.py PerNodeDirectories.recover: without self._clear(home, names, survey)": TWICE,
    "per_node_dirs.py PerNodeDirectories.recover: without retire(home, survey.everywhere - kept, self.fsync)": TWICE,
    "manifest.py _begin: without _sweep(root, names)": "rotation sweeps as well",
    "manifest.py ManifestLast.save: without rank.barrier()": LATER,
    "manifest.py ManifestLast.recover: never if rank.index == 0": TWICE,
    "manifest.py ManifestLast.recover: without self._rotate(rank.root, checkpoint.name, state)": TWICE,
    "manifest.py ManifestLast._rotate: without manifests.withdraw(root / name, self.fsync)": INTACT,
    "durable/manifest.py withdraw: without os.unlink(directory / NAME)": INTACT,
    "durable/manifest.py withdraw: without sync(directory)": INTACT,
    "durable/manifest.py withdraw: never if fsync": INTACT,
    "incremental.py _link: without make_parents(path, top)": FLAT,
    "incremental.py Incremental._write: without sync_parents(linked, directory)": BESIDE,
    "incremental.py Incremental._write: without linked.append(path)": BESIDE,
    "incremental.py _begin: always if entry['checksum'] not in wanted": LESS,
    "incremental.py _begin: never if entry['checksum'] not in wanted": "more is told than anybody wants to know",
    "incremental.py _begin: never if manifests.is_intact(root / newest, manifest)": LESS,
    "incremental.py Incremental.save: without rank.barrier()": LATER,
    "incremental.py Incremental.recover: never if rank.index == 0": TWICE,
    "incremental.py Incremental.recover: without self._rotate(rank.root, checkpoint.name, state)": TWICE,
    "durable/manifest.py load_verified: without shard.load(path)": (
        "what a load tells nothing of, the judge reads from the files itself"
    ),
    "durable/staging.py retire: without sync(root)": "what comes back after a loss of power is deleted again",
    "durable/files.py sync: without os.close(fd)": "a descriptor that stays open harms nobody",
    "durable/files.py save_shards: without make_parents(path, top)": FLAT,
}
"""The mutants that are certified without a word, each with the reason."""


@pytest.mark.slow
@pytest.mark.parametrize("strategy", CERTIFIED)
def test_whatever_is_left_out_of_a_certified_strategy_is_found_or_named(
    strategy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = list(certificates(built(tmp_path, strategy, None), {}))
    assert [found for found, _ in own] == [""] * len(own), "the strategy itself is certified"
    not_executed = [each for _, each in own]
    fates = {}
    for file in files_of(strategy):
        for mutant in mutants_of(file):
            fates[mutant] = fate(built(tmp_path, strategy, mutant), mutant, {}, not_executed)
    with capsys.disabled():
        print(f"\n{strategy}: {dict(Counter(each.partition(':')[0] for each in fates.values()))}")
        for mutant, became in fates.items():
            print(f"  {became.partition(':')[0]:7} {mutant.name}: {became}"[:200])
    silent = {mutant.name for mutant, became in fates.items() if became == "silent"}
    assert silent <= SILENT.keys()


@pytest.mark.parametrize("strategy", CERTIFIED)
def test_every_barrier_broadcast_and_publication_of_a_certified_strategy_has_a_mutant(strategy: str) -> None:
    own = list(mutants_of(files_of(strategy)[0]))
    assert len(own) > 8
    assert any("broadcast" in mutant.what for mutant in own)
    assert len({mutant.name for mutant in own}) == len(own)


def test_a_strategy_without_its_barrier_is_found(tmp_path: Path) -> None:
    (file, *_) = files_of("staged-barrier")
    mutant = next(each for each in mutants_of(file) if each.what == "without rank.barrier()")
    assert fate(built(tmp_path, "staged-barrier", mutant), mutant, {}, []).startswith("found: complete")
