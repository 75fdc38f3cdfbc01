/**
 * (cos, sin) of position · theta^(−2i / headDim) / scale, [positions][headDim / 2]. Each step is rounded to f32 as in Hugging
 * Face's Gemma3RotaryEmbedding; the GPU's own sin and cos are too coarse for large angles.
 */
export function ropeAngles(
  headDim: number,
  positions: number,
  theta: number,
  scale: number,
): Float32Array<ArrayBuffer> {
  const half = headDim / 2;
  const frequencies = Array.from({ length: half }, (_, i) => {
    const power = Math.fround(theta ** Math.fround((2 * i) / headDim));
    return Math.fround(Math.fround(1 / power) / scale);
  });
  const angles = new Float32Array(positions * headDim);
  for (let position = 0, at = 0; position < positions; position++) {
    for (const frequency of frequencies) {
      const angle = Math.fround(position * frequency);
      angles[at++] = Math.cos(angle);
      angles[at++] = Math.sin(angle);
    }
  }
  return angles;
}
