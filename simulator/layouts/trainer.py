"""The layouts of Hugging Face's Trainer at toy scale: plain data parallelism, and ZeRO with a shard a rank.

Source: the event order of the real Trainer (transformers 4.35 to 5.23), as read and traced for this project; the
layouts of real models are in ``hugging_face.py`` and ``deepspeed.py``.
"""

from __future__ import annotations

from simulator.layouts.shards import ShardSpec


def ddp(world_size: int) -> list[ShardSpec]:
    """Rank 0 writes model, optimizer, scheduler and trainer state; every rank its random-number state."""
    return [
        ShardSpec("model.safetensors", "model", 0, 4096),
        ShardSpec("optimizer.pt", "optimizer", 0, 8192),
        ShardSpec("scheduler.pt", "scheduler", 0, 1024),
        *(ShardSpec(f"rng_state_{r}.pth", "rng", r, 512, (r,)) for r in range(world_size)),
        ShardSpec("trainer_state.json", "trainer_state", 0, 256),
    ]


def zero(world_size: int) -> list[ShardSpec]:
    """As ``ddp``, but the optimizer is partitioned: every rank writes its own shard below ``global_step{step}``."""
    return [
        ShardSpec("model.safetensors", "model", 0, 4096),
        *(
            ShardSpec(
                f"global_step{{step}}/bf16_zero_pp_rank_{r}_mp_rank_00_optim_states.pt", "optimizer", r, 8192, (r,)
            )
            for r in range(world_size)
        ),
        ShardSpec("latest", "pointer", 0, 16),
        ShardSpec("scheduler.pt", "scheduler", 0, 1024),
        *(ShardSpec(f"rng_state_{r}.pth", "rng", r, 512, (r,)) for r in range(world_size)),
        ShardSpec("trainer_state.json", "trainer_state", 0, 256),
    ]
