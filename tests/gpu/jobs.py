"""A toy model of the family, whose shards are small enough for any machine."""

from __future__ import annotations

import json
from pathlib import Path

CONFIG = {
    "model_type": "qwen2_5_vl", "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 512,
    "vision_config": {
        "depth": 2, "hidden_size": 32, "intermediate_size": 48, "in_chans": 3, "out_hidden_size": 64, "patch_size": 14,
        "spatial_merge_size": 2, "temporal_patch_size": 2,
    },
}  # fmt: skip


def toy_model(directory: Path) -> str:
    """The path of its configuration: 232,608 parameters."""
    path = directory / "config.json"
    path.write_text(json.dumps(CONFIG), encoding="utf-8")
    return str(path)
