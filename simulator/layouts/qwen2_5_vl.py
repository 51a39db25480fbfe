"""The parameters of the Qwen2.5-VL family, in the order of ``named_parameters``, from a configuration.

Source: the module definitions of transformers' ``qwen2_5_vl`` (5.23.0); names are those in memory since 4.52.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from simulator.layouts.parameters import Parameter

VISION = "model.visual."
"""The prefix of the vision tower and its projector, which LLaMA-Factory freezes by default."""


def parameters(config: Mapping[str, Any]) -> list[Parameter]:
    """Every parameter, a tied one once. Raises KeyError for a missing field."""
    text = config.get("text_config", config)
    tied = config.get("tie_word_embeddings", text.get("tie_word_embeddings", False))
    hidden, vocabulary = text["hidden_size"], text["vocab_size"]
    found = [
        *_vision(config["vision_config"]),
        Parameter("model.language_model.embed_tokens.weight", (vocabulary, hidden)),
    ]
    for layer in range(text["num_hidden_layers"]):
        found.extend(_layer(f"model.language_model.layers.{layer}.", text))
    found.append(Parameter("model.language_model.norm.weight", (hidden,)))
    if not tied:
        found.append(Parameter("lm_head.weight", (vocabulary, hidden)))
    return found


def published_name(name: str) -> str:
    """The name on disk: ``save_pretrained`` writes the names that the model was published with."""
    for memory, disk in (("model.language_model.", "model."), (VISION, "visual.")):
        if name.startswith(memory):
            return disk + name.removeprefix(memory)
    return name


def _vision(config: Mapping[str, Any]) -> Iterator[Parameter]:
    width, inner, out = config["hidden_size"], config["intermediate_size"], config["out_hidden_size"]
    patch = config["patch_size"]
    kernel = (width, config["in_chans"], config["temporal_patch_size"], patch, patch)
    yield Parameter(f"{VISION}patch_embed.proj.weight", kernel)
    for block in range(config["depth"]):
        prefix = f"{VISION}blocks.{block}."
        yield Parameter(prefix + "norm1.weight", (width,))
        yield Parameter(prefix + "norm2.weight", (width,))
        yield from _linear(prefix + "attn.qkv", 3 * width, width)
        yield from _linear(prefix + "attn.proj", width, width)
        yield from _linear(prefix + "mlp.gate_proj", inner, width)
        yield from _linear(prefix + "mlp.up_proj", inner, width)
        yield from _linear(prefix + "mlp.down_proj", width, inner)
    merged = width * config["spatial_merge_size"] ** 2
    yield Parameter(f"{VISION}merger.ln_q.weight", (width,))
    yield from _linear(f"{VISION}merger.mlp.0", merged, merged)
    yield from _linear(f"{VISION}merger.mlp.2", out, merged)


def _layer(prefix: str, config: Mapping[str, Any]) -> Iterator[Parameter]:
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    keys = hidden // config["num_attention_heads"] * config["num_key_value_heads"]
    yield from _linear(prefix + "self_attn.q_proj", hidden, hidden)
    yield from _linear(prefix + "self_attn.k_proj", keys, hidden)
    yield from _linear(prefix + "self_attn.v_proj", keys, hidden)
    yield Parameter(prefix + "self_attn.o_proj.weight", (hidden, hidden))
    yield Parameter(prefix + "mlp.gate_proj.weight", (inner, hidden))
    yield Parameter(prefix + "mlp.up_proj.weight", (inner, hidden))
    yield Parameter(prefix + "mlp.down_proj.weight", (hidden, inner))
    yield Parameter(prefix + "input_layernorm.weight", (hidden,))
    yield Parameter(prefix + "post_attention_layernorm.weight", (hidden,))


def _linear(prefix: str, out: int, into: int) -> Iterator[Parameter]:
    yield Parameter(prefix + ".weight", (out, into))
    yield Parameter(prefix + ".bias", (out,))
