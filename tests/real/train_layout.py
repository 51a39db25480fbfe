"""One step and one save of a toy Qwen2.5-VL by released libraries: ``train_layout.py OUTPUT CONFIG LAYOUT WORD...``.

``LAYOUT`` is the name of a layout of ckptrace, ``CONFIG`` the directory of the model's configuration, which gives that
layout its shapes, too. Further words: ``frozen``, the vision tower is not trained; a number, so many bytes fit into a
file of weights, else as many as the library says.
"""

import functools
import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("DS_ACCELERATOR", "cpu")

import torch
from transformers import AutoConfig, Qwen2_5_VLForConditionalGeneration, Trainer, TrainingArguments

OUTPUT, CONFIG, LAYOUT, *WORDS = sys.argv[1:]
LARGEST = [int(word) for word in WORDS if word.isdigit()]
ZERO = LAYOUT.partition("zero")[2]
DTYPE = torch.bfloat16 if ZERO else torch.float32


class Data(torch.utils.data.Dataset):
    """Sixteen sentences without pictures."""

    def __len__(self):
        return 16

    def __getitem__(self, index):
        words = torch.tensor([index % 7 + 1, 2, 3, 4])
        return {"input_ids": words, "attention_mask": torch.ones_like(words), "labels": words}


def model():
    """The toy, with adapters on its language model where the layout has some."""
    torch.manual_seed(0)
    whole = Qwen2_5_VLForConditionalGeneration._from_config(AutoConfig.from_pretrained(CONFIG), dtype=DTYPE)
    if "frozen" in WORDS:
        whole.model.visual.requires_grad_(False)
    if "lora" not in LAYOUT:
        return whole
    from peft import LoraConfig, get_peft_model

    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    return get_peft_model(whole, LoraConfig(r=8, target_modules=targets, exclude_modules=".*visual.*"))


def parallelism():
    """The Trainer's arguments that say how the states lie on the ranks."""
    if LAYOUT == "trainer-fsdp":
        return {"fsdp": True, "fsdp_config": {"version": 2, "state_dict_type": "SHARDED_STATE_DICT"}}
    if not ZERO:
        return {"ddp_find_unused_parameters": True}
    import deepspeed.ops

    # Its collectives through shared memory need a compiler, and a rank that waits in one spins.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    stage = {"stage": int(ZERO)}
    if ZERO == "3":
        stage["stage3_gather_16bit_weights_on_model_save"] = True
    return {
        "bf16": True,
        "deepspeed": {
            "train_micro_batch_size_per_gpu": "auto",
            "bf16": {"enabled": True},
            "zero_allow_untested_optimizer": True,
            "zero_optimization": stage,
        },
    }


def train():
    """The Trainer as it is released."""
    if LARGEST:
        save = Qwen2_5_VLForConditionalGeneration.save_pretrained
        Qwen2_5_VLForConditionalGeneration.save_pretrained = functools.partialmethod(save, max_shard_size=LARGEST[0])
    arguments = TrainingArguments(
        output_dir=OUTPUT,
        max_steps=1,
        save_steps=1,
        per_device_train_batch_size=2,
        ddp_backend="gloo",
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        logging_strategy="no",
        optim="adamw_torch",
        **parallelism(),
    )
    if LAYOUT == "trainer-fsdp":
        from accelerate.state import DistributedType, PartialState

        # Without a GPU accelerate takes DDP for FSDP, and says nothing; what follows works on any device.
        _ = arguments.device
        PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    Trainer(model=model(), args=arguments, train_dataset=Data()).train()


def save_distributed():
    """Model and optimizer of a job under FSDP in one checkpoint, as torch's documentation shows it."""
    import torch.distributed.checkpoint
    from torch.distributed.checkpoint.state_dict import get_state_dict
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    torch.distributed.init_process_group("gloo")
    sharded = fully_shard(model(), mesh=init_device_mesh("cpu", (torch.distributed.get_world_size(),)))
    optimizer = torch.optim.AdamW([parameter for parameter in sharded.parameters() if parameter.requires_grad])
    for parameter in sharded.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    states = dict(zip(("model", "optimizer"), get_state_dict(sharded, optimizer), strict=True))
    torch.distributed.checkpoint.save(states, checkpoint_id=Path(OUTPUT) / "checkpoint-1")
    torch.distributed.destroy_process_group()


if LAYOUT == "dcp":
    save_distributed()
else:
    train()
