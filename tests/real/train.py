"""A training job as people write it: a tiny model, the Trainer, a save at each of four steps, one checkpoint kept."""

import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments


class Data(torch.utils.data.Dataset):
    """Sixteen examples."""

    def __len__(self):
        return 16

    def __getitem__(self, index):
        return {"input_ids": torch.tensor([index % 7 + 1, 2, 3]), "labels": torch.tensor(index % 2)}


torch.manual_seed(0)
config = BertConfig(
    vocab_size=16,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=1,
    intermediate_size=8,
    max_position_embeddings=8,
)
arguments = TrainingArguments(
    output_dir=sys.argv[1],
    max_steps=4,
    save_steps=1,
    save_total_limit=1,
    per_device_train_batch_size=2,
    ddp_backend="gloo",
    use_cpu=True,
    report_to=[],
    disable_tqdm=True,
    logging_strategy="no",
    **({"save_on_each_node": True} if "--each-node" in sys.argv else {}),
)
Trainer(model=BertForSequenceClassification(config), args=arguments, train_dataset=Data()).train()
