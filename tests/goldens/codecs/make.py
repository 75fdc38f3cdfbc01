"""Makes codecs.json: what gguf-py's dequantize and ggml's C quantizers say for a few blocks of every tensor type.

    python3 make.py GGUF_PY LIBGGML

GGUF_PY is llama.cpp's gguf-py directory; LIBGGML a shared library with ggml's quantizers, compiled with -ffp-contract=off so
that no multiply and add are fused (ggml-quants.c alone suffices). Needs numpy.
"""

import base64
import ctypes
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, sys.argv[1])
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType  # noqa: E402
from gguf.quants import IQ4_NL, dequantize, quantize  # noqa: E402

ggml = ctypes.CDLL(sys.argv[2], mode=ctypes.RTLD_LAZY if hasattr(ctypes, "RTLD_LAZY") else 1)
# A type more goes to the end: each takes its blocks from the same random numbers after the one before.
TYPES = ["F32", "F16", "BF16", "Q4_0", "Q5_0", "Q8_0", "Q4_K", "Q6_K", "Q4_1", "Q5_1", "Q5_K", "IQ4_NL"]
C_NAMES = {
    "Q4_0": "q4_0",
    "Q4_1": "q4_1",
    "Q5_0": "q5_0",
    "Q5_1": "q5_1",
    "Q8_0": "q8_0",
    "Q4_K": "q4_K",
    "Q5_K": "q5_K",
    "Q6_K": "q6_K",
    "IQ4_NL": "iq4_nl",
}


def encode(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def quantize_with_c(values: np.ndarray, name: str) -> np.ndarray:
    block, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    out = np.zeros(values.size // block * size, dtype=np.uint8)
    if name == "IQ4_NL":
        # What llama-quantize calls; quantize_row_iq4_nl_ref gives a block of zeros the levels of the one before.
        function = ggml.quantize_iq4_nl
        function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
        function(values.ctypes.data, out.ctypes.data, 1, values.size, None)
        return out
    function = getattr(ggml, f"quantize_row_{C_NAMES[name]}_ref")
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    function(values.ctypes.data, out.ctypes.data, values.size)
    return out


def curves(random: np.random.Generator) -> list[np.ndarray]:
    """Blocks whose values lie on IQ4_NL's curve but for the largest, so that different grids fit them best."""
    curve = np.array(IQ4_NL.kvalues)
    steps = [-7, 7, -6, 6, -4, 3, -2, 1]
    return [0.01 * np.concatenate([[-127 + step], curve[random.integers(2, 15, 31)]]) for step in steps]


def inputs() -> np.ndarray:
    random = np.random.default_rng(3)
    n = 256
    weights = random.normal(0, 0.02, (3, n))
    outlier = random.normal(0, 0.01, n)
    outlier[[7, 100]] = [3, -2.5]
    blocks = [
        *weights,
        outlier,
        random.uniform(0.1, 1, n),  # all positive: Q4_K's min is 0
        np.concatenate([np.zeros(128), random.normal(0, 1e-3, 128)]),  # whole sub-blocks of zeros
        np.full(n, -0.75),
        random.normal(0, 5000, n),
        random.integers(-127, 128, n) / 2,  # halves: every rounding rule shows
        random.normal(0, 1e-7, n),  # scales that are subnormal as f16
        *curves(random),
    ]
    return np.concatenate(blocks).astype(np.float32)


def random_blocks(name: str, random: np.random.Generator) -> np.ndarray:
    """Arbitrary bytes, except that no scale is infinite or NaN (a NaN has no fixed bits)."""
    block, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    rows = random.integers(0, 256, (max(4, 512 // block), size), dtype=np.uint8)
    two_scales = ["Q4_1", "Q5_1", "Q4_K", "Q5_K"]
    for at in {"F32": [2], "Q6_K": [208], **{each: [0, 2] for each in two_scales}}.get(name, [0]):
        rows[:, at + 1] = np.where(rows[:, at + 1] & 0x7C == 0x7C, rows[:, at + 1] & 0xBF, rows[:, at + 1])
    return rows.reshape(-1)


values = inputs()
random = np.random.default_rng(4)
result = {"values": encode(values), "types": {}}
for name in TYPES:
    kind = GGMLQuantizationType[name]
    stored = (
        quantize_with_c(values, name)
        if name in C_NAMES
        else np.ascontiguousarray(quantize(values, kind)).view(np.uint8).reshape(-1)
    )
    arbitrary = random_blocks(name, random)
    block, size = GGML_QUANT_SIZES[kind]
    result["types"][name] = {
        "id": int(kind),
        "blockSize": block,
        "blockBytes": size,
        "quantized": encode(stored),
        "blocks": encode(arbitrary),
        "dequantized": encode(dequantize(arbitrary, kind).astype(np.float32)),
    }
Path(__file__).with_name("codecs.json").write_text(json.dumps(result, indent=2) + "\n")
