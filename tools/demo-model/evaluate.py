"""Asks the demo model what it was taught, in wordings that training never showed, and counts exact greedy answers.

    python evaluate.py FOLDER [RESULT.json] [--rounding none,q8_0,q4_0]

The questions are evaluation.json's: 200 facts, the chat around them, and text to complete. With a rounding, every matrix is first rounded
to that block format (32 values and one float16 scale) as the conversion would do.
"""

import argparse
import json
from pathlib import Path

import sentencepiece
import torch
from transformers import Gemma3ForCausalLM

from corpus import BOS, END_OF_TURN, EOS, START_OF_TURN


def rounded(weight, kind):
    """The weight after a trip through Q8_0 or Q4_0."""
    if kind == "none":
        return weight
    blocks = weight.float().reshape(-1, 32)
    if kind == "q8_0":
        scale = blocks.abs().amax(1, keepdim=True) / 127
        low, high = -127, 127
    else:
        index = blocks.abs().argmax(1, keepdim=True)
        scale = blocks.gather(1, index) / -8
        low, high = -8, 7
    inverse = torch.where(scale == 0, 0.0, 1 / scale)
    return ((blocks * inverse).round().clamp(low, high) * scale.half().float()).reshape(weight.shape)


@torch.no_grad()
def answers(model, prompts, most):
    """Greedy continuations. Prompts of one length run together, so that nothing is padded."""
    found = [None] * len(prompts)
    by_length = {}
    for index, prompt in enumerate(prompts):
        by_length.setdefault(len(prompt), []).append(index)
    for length, indices in by_length.items():
        ids = torch.tensor([prompts[i] for i in indices], device=model.device)
        out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=most, do_sample=False, eos_token_id=[EOS, END_OF_TURN], pad_token_id=0)
        for i, row in zip(indices, out[:, length:].tolist()):
            found[i] = row
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("result", type=Path, nargs="?")
    parser.add_argument("--rounding", default="none,q8_0,q4_0")
    options = parser.parse_args()
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(options.folder / "tokenizer.model"))
    questions = json.loads((Path(__file__).parent / "evaluation.json").read_text())
    device = "cuda" if torch.cuda.is_available() else "cpu"

    def chat(text):
        return [BOS, START_OF_TURN, *tokenizer.encode("user\n" + text), END_OF_TURN, *tokenizer.encode("\n"), START_OF_TURN, *tokenizer.encode("model\n")]

    def said(ids):
        ends = [i for i, token in enumerate(ids) if token in (EOS, END_OF_TURN)]
        return tokenizer.decode(ids[: ends[0]] if ends else ids)

    result = {}
    for kind in options.rounding.split(","):
        model = Gemma3ForCausalLM.from_pretrained(options.folder, dtype=torch.float32, attn_implementation="eager").to(device).eval()
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.data = rounded(parameter.data, kind)
        report = {}
        for part, most in (("facts", 64), ("chat", 480)):
            entries = questions[part]
            given = [said(ids) for ids in answers(model, [chat(e["question"]) for e in entries], most)]
            wrong = [{**e, "got": got} for e, got in zip(entries, given) if got != e["answer"]]
            report[part] = {"asked": len(entries), "exact": len(entries) - len(wrong), "wrong": wrong}
        completions = questions["completions"]
        given = [said(ids) for ids in answers(model, [[BOS, *tokenizer.encode(e["text"])] for e in completions], 12)]
        wrong = [{**e, "got": got} for e, got in zip(completions, given) if not got.startswith(e["continues"])]
        report["completions"] = {"asked": len(completions), "right": len(completions) - len(wrong), "wrong": wrong}
        report["sample"] = dict(zip((e["text"] for e in completions), given))
        result[kind] = report
        print(kind, "facts", report["facts"]["exact"], "/", report["facts"]["asked"], "chat", report["chat"]["exact"], "/", report["chat"]["asked"],
              "completions", report["completions"]["right"], "/", report["completions"]["asked"], flush=True)
        if kind == "none":
            for entry in report["facts"]["wrong"] + report["chat"]["wrong"] + report["completions"]["wrong"]:
                print("   ", json.dumps(entry, ensure_ascii=False)[:400], flush=True)
            print("   ", report["sample"], flush=True)
        if options.result:
            options.result.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
