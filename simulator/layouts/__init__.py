"""What a whole checkpoint looks like: which files, who writes and reads each, how large it is."""

from simulator.layouts.model_shapes import ModelShape, model_names, model_shape
from simulator.layouts.recognition import Names
from simulator.layouts.registry import (
    files_of,
    is_toy,
    layout,
    layout_names,
    layout_options,
    layout_summary,
    options_from_text,
    shape_of,
)
from simulator.layouts.shards import Layout, ShardSpec

__all__ = [
    "Layout", "ModelShape", "Names", "ShardSpec", "files_of", "is_toy", "layout", "layout_names", "layout_options",
    "layout_summary", "model_names", "model_shape", "options_from_text", "shape_of",
]  # fmt: skip
