"""Makes the goldens in data/: small Gemma 3 models with random weights, and what Hugging Face's code says of them.

    python make_goldens.py            writes data/NAME/ for each model (a few minutes on two cores)
    python make_goldens.py --smoke    the same with one short search, into a temporary folder
    python make_goldens.py --only wide

Needs torch, transformers 5, numpy, safetensors, sentencepiece and protobuf; no GPU. README.md says what each number means.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from sentencepiece import sentencepiece_model_pb2 as proto
from transformers import Gemma3ForCausalLM

from reference import MISTAKES, Gemma3, round_to_bf16

VOCABULARY = 384
STOP = (1, 106)
GREEDY_TOKENS = 32
MIN_DISTINCT = 16
GAP_PER_ERROR = 20
# What a key-value cache in float16 may cost, as a share of the logits' root mean square. The measured cost is recorded beside it.
ALLOWED_ERROR = 1e-3

# `tokens` is longer than the window and than two prefill chunks of 128.
MODELS = {
    # Five local layers, one global, one local; a window much shorter than the prompt.
    "tiny": dict(
        seed=11, hidden=64, ffn=128, layers=7, heads=2, kv_heads=1, head_dim=256, window=32, pattern=6, scalar=256, embedding=0.25,
        rope_scaling=None, tokens=330, edges=[0, 1, 30, 31, 32, 33, 63, 64, 128, 200, 256, 328],
    ),
    # The 1B's rows of 1152, which are no multiple of 256.
    "wide": dict(
        seed=12, hidden=1152, ffn=64, layers=2, heads=2, kv_heads=1, head_dim=64, window=128, pattern=2, scalar=40, embedding=0.07,
        rope_scaling=None, tokens=320, edges=[0, 1, 64, 126, 127, 128, 129, 130, 200, 255, 256, 318],
    ),
    # Several KV heads, linear RoPE scaling on the global layer as in 4B, and the 27B's scalar that is not head_dim.
    "grouped": dict(
        seed=13, hidden=96, ffn=128, layers=2, heads=4, kv_heads=2, head_dim=256, window=64, pattern=2, scalar=168, embedding=0.12,
        rope_scaling={"factor": 8.0, "rope_type": "linear"}, tokens=400,
        edges=[0, 1, 62, 63, 64, 65, 66, 128, 192, 256, 320, 398],
    ),
}


def published_config(spec):
    """config.json with the keys and the spelling of google/gemma-3-1b-it."""
    return {
        "architectures": ["Gemma3ForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "attn_logit_softcapping": None,
        "bos_token_id": 2,
        "cache_implementation": "hybrid",
        "eos_token_id": list(STOP),
        "final_logit_softcapping": None,
        "head_dim": spec["head_dim"],
        "hidden_activation": "gelu_pytorch_tanh",
        "hidden_size": spec["hidden"],
        "initializer_range": 0.02,
        "intermediate_size": spec["ffn"],
        "max_position_embeddings": 1024,
        "model_type": "gemma3_text",
        "num_attention_heads": spec["heads"],
        "num_hidden_layers": spec["layers"],
        "num_key_value_heads": spec["kv_heads"],
        "pad_token_id": 0,
        "query_pre_attn_scalar": spec["scalar"],
        "rms_norm_eps": 1e-6,
        "rope_local_base_freq": 10000,
        "rope_scaling": spec["rope_scaling"],
        "rope_theta": 1000000,
        "sliding_window": spec["window"],
        "sliding_window_pattern": spec["pattern"],
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": VOCABULARY,
    }


def random_weights(spec):
    """Weights by Hugging Face name, float32 holding bfloat16 values.

    The embedding is drawn smaller than the branches' outputs (root mean square about 1 each), the more so the wider and the
    shallower the model is, because otherwise a tied random model repeats its last token for ever. Norm weights are drawn around 0 with std 0.3, as in a trained model's safetensors.
    """
    rng = np.random.default_rng(spec["seed"])
    hidden, ffn, dim = spec["hidden"], spec["ffn"], spec["head_dim"]
    weights = {}

    def matrix(name, outputs, inputs, gain):
        weights[name + ".weight"] = rng.standard_normal((outputs, inputs)) * gain / np.sqrt(inputs)

    def norm(name, width):
        weights[name + ".weight"] = rng.standard_normal(width) * 0.3

    matrix("model.embed_tokens", VOCABULARY, hidden, spec["embedding"])
    for layer in range(spec["layers"]):
        prefix = f"model.layers.{layer}."
        norm(prefix + "input_layernorm", hidden)
        matrix(prefix + "self_attn.q_proj", spec["heads"] * dim, hidden, 1.0)
        matrix(prefix + "self_attn.k_proj", spec["kv_heads"] * dim, hidden, 1.0)
        matrix(prefix + "self_attn.v_proj", spec["kv_heads"] * dim, hidden, 1.0)
        matrix(prefix + "self_attn.o_proj", hidden, spec["heads"] * dim, 1.0)
        norm(prefix + "self_attn.q_norm", dim)
        norm(prefix + "self_attn.k_norm", dim)
        norm(prefix + "post_attention_layernorm", hidden)
        norm(prefix + "pre_feedforward_layernorm", hidden)
        matrix(prefix + "mlp.gate_proj", ffn, hidden, 1.5)
        matrix(prefix + "mlp.up_proj", ffn, hidden, 1.5)
        matrix(prefix + "mlp.down_proj", hidden, ffn, 1.0)
        norm(prefix + "post_feedforward_layernorm", hidden)
    norm("model.norm", hidden)
    return {name: round_to_bf16(value) for name, value in weights.items()}


def tokenizer_model():
    """A SentencePiece BPE vocabulary of 384 pieces with Gemma's control tokens at Gemma's ids, so that readers find one."""
    model = proto.ModelProto()
    piece = proto.ModelProto.SentencePiece
    control = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"] + [f"<unused{i}>" for i in range(100)]
    for text in control + ["<start_of_turn>", "<end_of_turn>"]:
        model.pieces.add(piece=text, score=0.0, type=piece.UNKNOWN if text == "<unk>" else piece.CONTROL)
    for byte in range(256):
        model.pieces.add(piece=f"<0x{byte:02X}>", score=0.0, type=piece.BYTE)
    pieces = ["th", "he", "in", "an", "er", "on", "re", "nd"] + list("▁etaoinshrdlu")
    for rank, text in enumerate(pieces):
        model.pieces.add(piece=text, score=float(-rank), type=piece.NORMAL)
    assert len(model.pieces) == VOCABULARY
    t, n = model.trainer_spec, model.normalizer_spec
    t.model_type, t.vocab_size, t.byte_fallback = proto.TrainerSpec.BPE, VOCABULARY, True
    t.pad_id, t.eos_id, t.bos_id, t.unk_id = 0, 1, 2, 3
    t.pad_piece, t.eos_piece, t.bos_piece, t.unk_piece = "<pad>", "<eos>", "<bos>", "<unk>"
    n.name, n.add_dummy_prefix, n.remove_extra_whitespaces, n.escape_whitespaces = "identity", False, False, True
    return model.SerializeToString()


def write_model(folder, spec, weights):
    """The folder as a published checkpoint has it. Returns the model that Hugging Face loads from it, in float32."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(published_config(spec), indent=2) + "\n")
    (folder / "tokenizer.model").write_bytes(tokenizer_model())
    tensors = {name: torch.from_numpy(value.copy()).to(torch.bfloat16) for name, value in weights.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    model = Gemma3ForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    state = model.state_dict()
    for name, value in weights.items():
        assert np.array_equal(state[name].numpy(), value), f"{name} changed on its way through the file"
    check_config(model, spec)
    # The same configuration in transformers 5's own spelling, for readers of config.json.
    spelled = json.loads(model.config.to_json_string(use_diff=False))
    keys = ["model_type", "layer_types", "rope_parameters", "sliding_window", "hidden_size", "intermediate_size",
            "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "vocab_size",
            "max_position_embeddings", "query_pre_attn_scalar", "rms_norm_eps", "hidden_activation", "bos_token_id",
            "eos_token_id", "pad_token_id", "tie_word_embeddings"]
    (folder / "config.transformers-5.json").write_text(json.dumps({k: spelled[k] for k in keys}, indent=2) + "\n")
    return model


def check_config(model, spec):
    """Asserts that the loaded model computes with the thetas, the scaling and the layer types that were meant."""
    half = spec["head_dim"] // 2
    exponent = np.arange(half, dtype=np.float64) / half
    factor = spec["rope_scaling"]["factor"] if spec["rope_scaling"] else 1.0
    rotary = model.model.rotary_emb
    wanted = {"sliding_attention": 10000.0**-exponent, "full_attention": 1000000.0**-exponent / factor}
    for layer_type, frequency in wanted.items():
        got = getattr(rotary, f"{layer_type}_inv_freq").double().numpy()
        assert np.allclose(got, frequency, rtol=1e-5), f"{layer_type}: not the theta that was meant"
    for index, layer in enumerate(model.model.layers):
        is_global = (index + 1) % spec["pattern"] == 0
        assert layer.self_attn.sliding_window == (None if is_global else spec["window"]), f"layer {index}: window"
        assert layer.self_attn.scaling == spec["scalar"] ** -0.5


@torch.no_grad()
def hf_logits(model, tokens):
    return model(input_ids=torch.tensor([tokens]), use_cache=False).logits[0].float().numpy()


def relative(a, b):
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def draw_prompt(rng, length):
    """bos, then ids that are no control token."""
    return [2] + [int(i) for i in rng.integers(107, VOCABULARY, length - 1)]


def greedy(model, prompt, steps):
    """The continuation, or None as soon as a step is too close to call or ends the text."""
    tokens, chosen, gaps = list(prompt), [], []
    for _ in range(steps):
        last = hf_logits(model, tokens)[-1].astype(np.float64)
        best, second = np.argsort(-last)[:2]
        gap = float((last[best] - last[second]) / np.sqrt(np.mean(last**2)))
        if gap < GAP_PER_ERROR * ALLOWED_ERROR or int(best) in STOP:
            return None
        chosen.append(int(best))
        gaps.append(gap)
        tokens.append(int(best))
    return chosen, gaps


def search_greedy(model, spec, steps, tries):
    """The first prompt of the golden's length whose continuation counts."""
    for attempt in range(tries):
        prompt = draw_prompt(np.random.default_rng([spec["seed"], attempt]), spec["tokens"])
        found = greedy(model, prompt, steps)
        if found and len(set(found[0])) >= min(MIN_DISTINCT, steps):
            return attempt, prompt, *found
    sys.exit(f"no prompt in {tries} gave a greedy golden that counts: give the model another seed")


def make(name, spec, out, smoke):
    folder = out / name
    weights = random_weights(spec)
    model = write_model(folder, spec, weights)
    config = published_config(spec)
    steps = 2 if smoke else GREEDY_TOKENS
    attempt, prompt, chosen, gaps = search_greedy(model, spec, steps, 5000)
    print(f"{name}: prompt {attempt}, {len(set(chosen))} distinct tokens, smallest gap {min(gaps):.4f}", flush=True)

    # Hugging Face in float32 is the golden; float64 says how exact it is.
    logits = hf_logits(model, prompt)
    assert np.array_equal(logits, hf_logits(model, prompt)), "Hugging Face's logits differ from run to run"
    exact = Gemma3(config, weights).logits(prompt)
    error = {"rel_l2_last": relative(logits[-1], exact[-1]), "rel_l2_all": relative(logits, exact)}
    assert error["rel_l2_all"] < 2e-5, f"the independent float64 model disagrees: {error}"

    # The whole greedy text in one pass, exactly and with a float16 key-value cache.
    text = prompt + chosen[:-1]
    exact_steps = Gemma3(config, weights).logits(text)[len(prompt) - 1 :]
    f16_steps = Gemma3(config, weights, kv_f16=True).logits(text)[len(prompt) - 1 :]
    assert exact_steps.argmax(-1).tolist() == chosen and f16_steps.argmax(-1).tolist() == chosen
    scale = np.sqrt(np.mean(exact_steps**2, axis=-1))
    # The largest move of any one logit at any step, as a share of that step's logits.
    f16_move = float((np.abs(f16_steps - exact_steps).max(-1) / scale).max())
    measured = np.abs(np.take_along_axis(f16_steps - exact_steps, np.argsort(-exact_steps)[:, :2], -1)).max(-1) / scale
    assert min(gaps) >= GAP_PER_ERROR * ALLOWED_ERROR
    assert all(gap >= GAP_PER_ERROR * cost for gap, cost in zip(gaps, measured)), "a gap is below 20 times the float16 error"

    mistakes = {}
    for mistake in [] if smoke else MISTAKES:
        wrong = Gemma3(config, weights, mistake=mistake).logits(prompt)
        if np.array_equal(wrong, exact):
            continue  # This model cannot show it: one KV head, no scaling, a scalar equal to head_dim.
        mistakes[mistake] = {
            "rel_l2_last": round(relative(wrong[-1], exact[-1]), 6),
            "rel_l2_all": round(relative(wrong, exact), 6),
        }

    def top16(position):
        order = np.argsort(-logits[position], kind="stable")[:16]
        return {"position": position, "top": [[int(i), round(float(logits[position][i]), 6)] for i in order]}

    logits[-1].astype("<f4").tofile(folder / "logits.f32")
    golden = {
        "name": name,
        "madeWith": {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0]},
        "logitsFile": "logits.f32",
        "tokens": prompt,
        "top16": [top16(position) for position in spec["edges"]],
        "greedy": {
            "prompt": prompt,
            "tokens": chosen,
            "distinct": len(set(chosen)),
            "gaps": [round(gap, 5) for gap in gaps],
            "smallestGap": round(min(gaps), 5),
        },
        "error": {
            "float32": {key: float(f"{value:.3g}") for key, value in error.items()},
            "kvFloat16": {
                "rel_l2_last": float(f"{relative(f16_steps[0], exact_steps[0]):.3g}"),
                "rel_l2_greedy": float(f"{relative(f16_steps, exact_steps):.3g}"),
                "largestMove": float(f"{f16_move:.3g}"),
            },
            "allowed": ALLOWED_ERROR,
        },
        "mistakes": mistakes,
    }
    # Lists of numbers stay on one line.
    lines = [f'  {json.dumps(key)}: {json.dumps(value)}' for key, value in golden.items() if key not in ("top16", "mistakes")]
    lines.append('  "top16": [\n' + ",\n".join("    " + json.dumps(t) for t in golden["top16"]) + "\n  ]")
    lines.append('  "mistakes": {\n' + ",\n".join(f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in mistakes.items()) + "\n  }")
    (folder / "golden.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    json.loads((folder / "golden.json").read_text())
    print(f"{name}: error {error}, kv f16 {golden['error']['kvFloat16']}", flush=True)
    for mistake, moved in mistakes.items():
        print(f"    {mistake:40} {moved['rel_l2_last']:.6f} {moved['rel_l2_all']:.6f}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--only", choices=MODELS)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data")
    options = parser.parse_args()
    out = Path(tempfile.mkdtemp()) if options.smoke else options.out
    torch.use_deterministic_algorithms(True)
    for name, spec in MODELS.items():
        if options.only in (None, name):
            make(name, spec, out, options.smoke)


if __name__ == "__main__":
    main()
