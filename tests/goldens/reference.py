"""Gemma 3 in numpy float64, written from the formulas and not from anyone's code.

It stands beside Hugging Face's model for three things: to measure how exact the float32 goldens are, to measure what a
key-value cache in float16 costs, and to make each classic mistake on purpose (`Gemma3(..., mistake='...')`).
"""

import math

import numpy as np

MISTAKES = [
    "qk_norm_plus1_omitted",
    "qk_norm_plus1_twice",
    "other_norms_plus1_omitted",
    "window_minus_1",
    "window_plus_1",
    "window_ignored",
    "local_layers_use_global_theta",
    "global_layers_use_local_theta",
    "thetas_swapped",
    "rope_scaling_ignored",
    "rope_scaling_on_local_layers",
    "rope_pairs_interleaved",
    "rope_before_qk_norm",
    "global_layer_off_by_one",
    "query_scale_from_head_dim",
    "query_scale_from_hidden_over_heads",
    "kv_heads_interleaved",
    "gelu_erf_instead_of_tanh",
    "embed_scale_rounded_to_bf16",
    "embed_scale_omitted",
    "post_norms_after_the_residual",
]


def round_to_bf16(values):
    """The nearest bfloat16 (ties to even) of each float32, as float32."""
    bits = np.asarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


_erf = np.vectorize(math.erf, otypes=[np.float64])


class Gemma3:
    """A model from its published-form config and its weights by Hugging Face name, `{name: array}`."""

    def __init__(self, config, weights, mistake=None, kv_f16=False):
        self.config = config
        self.weights = {name: np.asarray(value, np.float64) for name, value in weights.items()}
        self.mistake = mistake
        self.kv_f16 = kv_f16

    def norm(self, x, name):
        is_qk = "q_norm" in name or "k_norm" in name
        offset = 1.0
        if is_qk and self.mistake == "qk_norm_plus1_omitted":
            offset = 0.0
        if is_qk and self.mistake == "qk_norm_plus1_twice":
            offset = 2.0
        if not is_qk and self.mistake == "other_norms_plus1_omitted":
            offset = 0.0
        mean = np.mean(x * x, axis=-1, keepdims=True)
        return x / np.sqrt(mean + self.config["rms_norm_eps"]) * (offset + self.weights[name + ".weight"])

    def rope(self, x, is_global):
        """x: [heads, tokens, head_dim]."""
        c, m = self.config, self.mistake
        theta = c["rope_theta"] if is_global else c["rope_local_base_freq"]
        if m == "thetas_swapped":
            theta = c["rope_local_base_freq"] if is_global else c["rope_theta"]
        if m == "local_layers_use_global_theta":
            theta = c["rope_theta"]
        if m == "global_layers_use_local_theta":
            theta = c["rope_local_base_freq"]
        factor = c["rope_scaling"]["factor"] if c.get("rope_scaling") else 1.0
        if m == "rope_scaling_ignored" or (not is_global and m != "rope_scaling_on_local_layers"):
            factor = 1.0
        half = c["head_dim"] // 2
        frequency = theta ** (-np.arange(half, dtype=np.float64) / half)
        angle = np.arange(x.shape[1], dtype=np.float64)[:, None] / factor * frequency[None, :]
        cos, sin = np.cos(angle), np.sin(angle)
        if m == "rope_pairs_interleaved":
            a, b = x[..., 0::2], x[..., 1::2]
            return np.stack([a * cos - b * sin, b * cos + a * sin], axis=-1).reshape(x.shape)
        a, b = x[..., :half], x[..., half:]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)

    def attention(self, x, layer):
        c, m = self.config, self.mistake
        prefix = f"model.layers.{layer}.self_attn."
        tokens, heads, kv_heads, dim = x.shape[0], c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        shift = 1 if m == "global_layer_off_by_one" else 0
        is_global = (layer + 1 + shift) % c["sliding_window_pattern"] == 0

        def heads_of(name, count):
            return (x @ self.weights[prefix + name + ".weight"].T).reshape(tokens, count, dim).transpose(1, 0, 2)

        q, k, v = heads_of("q_proj", heads), heads_of("k_proj", kv_heads), heads_of("v_proj", kv_heads)
        if m == "rope_before_qk_norm":
            q = self.norm(self.rope(q, is_global), prefix + "q_norm")
            k = self.norm(self.rope(k, is_global), prefix + "k_norm")
        else:
            q = self.rope(self.norm(q, prefix + "q_norm"), is_global)
            k = self.rope(self.norm(k, prefix + "k_norm"), is_global)
        if self.kv_f16:
            k, v = k.astype(np.float16).astype(np.float64), v.astype(np.float16).astype(np.float64)
        group = heads // kv_heads
        owner = np.arange(heads) % kv_heads if m == "kv_heads_interleaved" else np.arange(heads) // group
        scalar = c["query_pre_attn_scalar"]
        if m == "query_scale_from_head_dim":
            scalar = dim
        if m == "query_scale_from_hidden_over_heads":
            scalar = c["hidden_size"] / heads
        scores = q @ k[owner].transpose(0, 2, 1) * scalar**-0.5
        distance = np.arange(tokens)[:, None] - np.arange(tokens)[None, :]
        seen = distance >= 0
        if not is_global and m != "window_ignored":
            window = c["sliding_window"] + {"window_minus_1": -1, "window_plus_1": 1}.get(m, 0)
            seen &= distance < window
        scores = np.where(seen, scores, -np.inf)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        out = (scores @ v[owner]).transpose(1, 0, 2).reshape(tokens, heads * dim)
        return out @ self.weights[prefix + "o_proj.weight"].T

    def feed_forward(self, x, layer):
        prefix = f"model.layers.{layer}.mlp."
        gate = x @ self.weights[prefix + "gate_proj.weight"].T
        if self.mistake == "gelu_erf_instead_of_tanh":
            gate = 0.5 * gate * (1 + _erf(gate / math.sqrt(2)))
        else:
            gate = 0.5 * gate * (1 + np.tanh(math.sqrt(2 / math.pi) * (gate + 0.044715 * gate**3)))
        up = x @ self.weights[prefix + "up_proj.weight"].T
        return (gate * up) @ self.weights[prefix + "down_proj.weight"].T

    def logits(self, tokens):
        """[tokens, vocabulary], the logits after each token."""
        c, m = self.config, self.mistake
        embedding = self.weights["model.embed_tokens.weight"]
        scale = math.sqrt(c["hidden_size"])
        if m == "embed_scale_rounded_to_bf16":
            scale = float(round_to_bf16(np.float32(scale)))
        if m == "embed_scale_omitted":
            scale = 1.0
        x = embedding[np.asarray(tokens)] * scale
        for layer in range(c["num_hidden_layers"]):
            prefix = f"model.layers.{layer}."
            for branch, before, after in (
                (self.attention, "input_layernorm", "post_attention_layernorm"),
                (self.feed_forward, "pre_feedforward_layernorm", "post_feedforward_layernorm"),
            ):
                y = branch(self.norm(x, prefix + before), layer)
                if m == "post_norms_after_the_residual":
                    x = self.norm(x + y, prefix + after)
                else:
                    x = x + self.norm(y, prefix + after)
        return self.norm(x, "model.norm") @ embedding.T
