"""Commands that are killed at random instants leave no process and no half of a file, and the next start works."""

from __future__ import annotations

from pathlib import Path

from tests.ending.kills import kill_at_random_instants


def test_some_kills_of_three_commands(tmp_path: Path) -> None:
    """``make test-kills`` makes a thousand, of all commands."""
    kill_at_random_instants(tmp_path, 9, 4, lambda text: None, only=("certify", "ci", "run"))
