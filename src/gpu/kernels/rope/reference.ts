import { rmsNormReference } from '../norm/reference.ts';

/**
 * One head of q or k in f64: RMSNorm with the effective factor `w`, then RoPE, where element i turns with element i + headDim / 2.
 * @param x [headDim]
 * @param angles [headDim / 2] (cos, sin) of the position
 */
export function ropeReference(x: Float32Array, w: Float32Array, epsilon: number, angles: Float32Array): Float32Array {
  const half = x.length / 2;
  const normed = rmsNormReference(x, w, epsilon);
  return normed.map((value, i) => {
    const cos = angles[2 * (i % half)]!;
    const sin = angles[2 * (i % half) + 1]!;
    return i < half ? value * cos - normed[i + half]! * sin : value * cos + normed[i - half]! * sin;
  });
}
