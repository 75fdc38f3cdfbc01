/** RMSNorm of one row in f64: x·w / √(mean(x²) + ε); w is the effective factor. */
export function rmsNormReference(x: Float32Array, w: Float32Array, epsilon: number): Float32Array {
  let squares = 0;
  for (const value of x) squares += value * value;
  const factor = 1 / Math.sqrt(squares / x.length + epsilon);
  return x.map((value, i) => value * factor * w[i]!);
}
