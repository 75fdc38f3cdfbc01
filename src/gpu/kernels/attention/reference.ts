/**
 * Attention of one query over keys and values of one head, in f64: softmax(q·k)·v over the keys it sees.
 * @param q [headDim], already scaled
 * @param keys [positions][headDim]
 * @param values [positions][headDim]
 * @param window 0: all keys up to `position`
 */
export function attentionReference(
  q: Float32Array,
  keys: Float32Array,
  values: Float32Array,
  position: number,
  window: number,
): Float32Array {
  const headDim = q.length;
  const first = window > 0 ? Math.max(0, position + 1 - window) : 0;
  const scores: number[] = [];
  for (let k = first; k <= position; k++) {
    let score = 0;
    for (let d = 0; d < headDim; d++) score += q[d]! * keys[k * headDim + d]!;
    scores.push(score);
  }
  const highest = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - highest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const out = new Float64Array(headDim);
  weights.forEach((weight, i) => {
    for (let d = 0; d < headDim; d++) out[d]! += (weight / total) * values[(first + i) * headDim + d]!;
  });
  return Float32Array.from(out);
}
