"""Trains the demo model from scratch with Hugging Face's Gemma3ForCausalLM.

    python train.py DATA OUT --minutes 4         on a GPU; DATA is the folder of wordnet.py and tokenizer.py
    python train.py DATA OUT --smoke             a few steps of a small batch, on anything

Writes OUT as a Hugging Face folder in the form of the published Gemma 3 checkpoints, weights in bfloat16.
The learning rate follows the clock, so that the time given is the time taken.
"""

import argparse
import json
import math
import multiprocessing
import random
import shutil
import time
from pathlib import Path

import numpy as np
import sentencepiece
import torch
from safetensors.torch import save_file
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from corpus import IGNORE, Encoder, Writer, chat_rows, short_rows, text_rows

CONFIG = {
    "architectures": ["Gemma3ForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "attn_logit_softcapping": None,
    "bos_token_id": 2,
    "cache_implementation": "hybrid",
    "eos_token_id": [1, 106],
    "final_logit_softcapping": None,
    "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh",
    "hidden_size": 256,
    "initializer_range": 0.02,
    "intermediate_size": 1024,
    "max_position_embeddings": 2048,
    "model_type": "gemma3_text",
    "num_attention_heads": 2,
    "num_hidden_layers": 6,
    "num_key_value_heads": 1,
    "pad_token_id": 0,
    "query_pre_attn_scalar": 256,
    "rms_norm_eps": 1e-6,
    "rope_local_base_freq": 10000,
    "rope_scaling": None,
    "rope_theta": 1000000,
    "sliding_window": 128,
    "sliding_window_pattern": 6,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "vocab_size": 4096,
}
SHORT, LONG, LONGEST = 64, 512, 1536


def make_rows(task):
    """One worker's share of the corpus: (kind, rows as uint16 ids, int32 labels)."""
    kind, number, length, seed, data = task
    data = Path(data)
    encoder = Encoder(sentencepiece.SentencePieceProcessor(model_file=str(data / "tokenizer.model")))
    rng = random.Random(seed)
    if kind == "text":
        rows = text_rows((data / "glosses.txt").read_text().splitlines(), encoder, rng, length)
    else:
        writer = Writer(rng, (data / "nouns.txt").read_text().split())
        rows = (short_rows if kind == "short" else chat_rows)(writer, encoder, number, length)
    ids, labels = zip(*rows)
    return kind, length, np.array(ids, np.uint16), np.array(labels, np.int16)


def corpus(data, device, smoke):
    """Rows by (kind, length) on the device: ids and labels. Seeds are fixed."""
    scale = 1 if smoke else 32
    tasks = [("short", 200 if smoke else 12500, SHORT, 1000 + i, str(data)) for i in range(scale)]
    tasks += [("chat", 8 if smoke else 600, LONG, 2000 + i, str(data)) for i in range(scale)]
    tasks += [("chat", 4 if smoke else 60, LONGEST, 3000 + i, str(data)) for i in range(scale)]
    tasks += [("text", 0, LONG, 4000 + i, str(data)) for i in range(1 if smoke else 8)]
    found = {}
    with multiprocessing.get_context("fork").Pool() as pool:
        for kind, length, ids, labels in pool.imap_unordered(make_rows, tasks):
            found.setdefault((kind, length), []).append((ids, labels))
    rows = {}
    for key, parts in sorted(found.items()):
        ids = torch.from_numpy(np.concatenate([p[0] for p in parts]).astype(np.int64)).to(device)
        labels = torch.from_numpy(np.concatenate([p[1] for p in parts]).astype(np.int64)).to(device)
        rows[key] = (ids, labels)
        print(f"{key}: {len(ids)} rows, {int((labels != IGNORE).sum())} tokens to learn", flush=True)
    return rows


class Batches:
    """Endless batches of one kind; each pass in a new order."""

    def __init__(self, rows, size, seed):
        self.ids, self.labels = rows
        self.size = min(size, len(self.ids))
        self.generator = torch.Generator().manual_seed(seed)
        self.order = []

    def next(self):
        if len(self.order) < self.size:
            self.order = torch.randperm(len(self.ids), generator=self.generator)
        chosen, self.order = self.order[: self.size].to(self.ids.device), self.order[self.size :]
        return self.ids[chosen], self.labels[chosen]


def loss_of(model, body, ids, labels, device):
    """Summed cross-entropy of the tokens to learn, and their number. The head runs only where there is something to learn."""
    with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        hidden = body(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
        target = labels[:, 1:]
        learnt = target != IGNORE
        logits = model.lm_head(hidden[learnt])
    return torch.nn.functional.cross_entropy(logits.float(), target[learnt], reduction="sum"), learnt.sum()


def train(model, rows, minutes, device, smoke, compiled, peak):
    short = Batches(rows["short", SHORT], 8 if smoke else 512, 1)
    chat = Batches(rows["chat", LONG], 1 if smoke else 40, 2)
    text = Batches(rows["text", LONG], 1 if smoke else 12, 3)
    longest = Batches(rows["chat", LONGEST], 1 if smoke else 16, 4)
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}], lr=peak, betas=(0.9, 0.95), eps=1e-9, fused=device == "cuda"
    )
    body = torch.compile(model.model, dynamic=False) if compiled else model.model
    model.train()
    start, step, recent = time.time(), 0, {}
    warmup = 150
    while True:
        share = (time.time() - start) / (minutes * 60)
        if share >= 1 or (smoke and step >= 9):
            break
        rate = peak * min(1.0, (step + 1) / warmup) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        batches = [("short", short.next())]
        if step % 8 == 7:
            batches.append(("longest", longest.next()))
        else:
            chat_ids, chat_labels = chat.next()
            text_ids, text_labels = text.next()
            batches.append(("long", (torch.cat([chat_ids, text_ids]), torch.cat([chat_labels, text_labels]))))
        optimizer.zero_grad(set_to_none=True)
        for kind, (ids, labels) in batches:
            total, number = loss_of(model, body, ids, labels, device)
            mean = total / number
            # Short rows hold few tokens to learn but are what a person asks: each batch counts by its mean.
            mean.backward()
            recent[kind] = mean.detach()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 100 == 0 or smoke or step in (1, 10, 50):
            print(f"step {step} {time.time() - start:.0f} s, rate {rate:.2e}, " + ", ".join(f"{k} {v.item():.4f}" for k, v in recent.items()), flush=True)
    print(f"{step} steps in {time.time() - start:.0f} s", flush=True)
    return step


def save(model, data, out):
    """The folder as published checkpoints have it: norm weights as `w`, the head tied, bfloat16."""
    out.mkdir(parents=True, exist_ok=True)
    tensors = {n: p.detach().to("cpu", torch.bfloat16).contiguous() for n, p in model.named_parameters() if n != "lm_head.weight"}
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    (out / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    (out / "generation_config.json").write_text(json.dumps({"bos_token_id": 2, "eos_token_id": [1, 106], "pad_token_id": 0}, indent=2) + "\n")
    shutil.copy(Path(data) / "tokenizer.model", out / "tokenizer.model")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_float32_matmul_precision("high")
    begun = time.time()
    rows = corpus(options.data, device, options.smoke)
    print(f"corpus in {time.time() - begun:.0f} s", flush=True)
    torch.manual_seed(1)
    config = Gemma3TextConfig(**{k: v for k, v in CONFIG.items() if k not in ("architectures", "torch_dtype", "cache_implementation")})
    config._attn_implementation = "sdpa"
    model = Gemma3ForCausalLM(config).to(device=device, dtype=torch.float32)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} million parameters on {device}, layers {config.layer_types}", flush=True)
    train(model, rows, options.minutes, device, options.smoke, options.compile, options.rate)
    save(model, options.data, options.out)


if __name__ == "__main__":
    main()
