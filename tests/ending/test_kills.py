"""Commands that are killed at random instants leave no process and no half of a file, and the next start works."""

from __future__ import annotations

from pathlib import Path

from tests.ending.kills import kill_at_random_instants


def test_ten_kills(tmp_path: Path) -> None:
    kill_at_random_instants(tmp_path, 10, 4, lambda text: None)
