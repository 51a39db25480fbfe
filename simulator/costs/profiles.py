"""The cost profiles by name: ``simulator/data/cost_profiles.toml``, where each figure has its source."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from simulator.costs.model import CostModel
from simulator.errors import UsageError

BASE = "base"
"""The table of the file whose figures hold where a profile has none of its own; not a profile itself."""


@cache
def _tables() -> dict[str, dict[str, Any]]:
    text = files("simulator").joinpath("data/cost_profiles.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def profile_names() -> list[str]:
    """The names of all profiles, sorted."""
    return sorted(name for name in _tables() if name != BASE)


def cost_model(profile: str, overrides: Mapping[str, float] | None = None) -> CostModel:
    """The figures of a profile, some of them overridden. Raises UsageError for an unknown profile or key."""
    if profile not in profile_names():
        raise UsageError(f"costs.profile: unknown profile {profile!r}; there are {', '.join(profile_names())}")
    figures = {**_tables()[BASE], **_tables()[profile], **(overrides or {})}
    for key in figures:
        if key not in CostModel.__struct_fields__:
            raise UsageError(
                f"costs.overrides: unknown key {key!r}; there are {', '.join(CostModel.__struct_fields__)}"
            )
    try:
        model = msgspec.convert(figures, CostModel)
    except msgspec.ValidationError as error:
        raise UsageError(f"costs: {error}") from error
    model.validate()
    return model


DEFAULT = "lustre"
"""The profile for a file system that has none of its own name."""


def profile_for(filesystem: str) -> str:
    """The cost profile that goes with a file system's profile: the one of its name, where there is one."""
    return filesystem if filesystem in profile_names() else DEFAULT
