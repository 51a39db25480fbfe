"""Strategies are plain code: no simulator, no torch, a text that says what they are and what they do not do."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
REGISTERED: dict[str, str] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["entry-points"][
    "ckptrace.strategies"
]
MODULES = sorted(target.partition(":")[0] for target in REGISTERED.values())


def test_importing_them_imports_neither_simulator_nor_torch() -> None:
    program = f"import sys, {', '.join(MODULES)}\nprint({{'simulator', 'torch', 'safetensors'}} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert said.stdout.strip() == "set()"


@pytest.mark.parametrize("name", REGISTERED)
def test_each_says_what_it_is_and_what_it_does_not_protect_from(name: str) -> None:
    module, _, class_name = REGISTERED[name].partition(":")
    text = importlib.import_module(module).__doc__ or ""
    assert len(text) > 500
    assert "What it does not protect from" in text
    if name.startswith("transformers-"):
        assert "Source: " in text
        assert "#" in text
    else:
        assert "Why it holds" in text
    assert getattr(importlib.import_module(module), class_name).__doc__


@pytest.mark.parametrize("name", REGISTERED)
def test_each_can_be_made_without_options(name: str) -> None:
    module, _, class_name = REGISTERED[name].partition(":")
    strategy = getattr(importlib.import_module(module), class_name)()
    assert all(callable(getattr(strategy, method)) for method in ("save", "pick", "load"))
