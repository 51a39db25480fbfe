"""A job of two ranks that saves with torch.distributed.checkpoint, then in torch's own form and as safetensors."""

import os
import sys

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from safetensors.torch import save_file

dist.init_process_group("gloo")
rank, root = dist.get_rank(), sys.argv[1]
torch.manual_seed(rank)
state = {"shared": torch.ones(4), f"of-{rank}": torch.zeros(8)}
dcp.save(state, checkpoint_id=os.path.join(root, "checkpoint-1"))
torch.save(state, os.path.join(root, f"rank-{rank}.pt"))
save_file(state, os.path.join(root, f"rank-{rank}.safetensors"))
dist.barrier()
dist.destroy_process_group()
