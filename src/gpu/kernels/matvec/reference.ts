import { geluReference } from '../gelu/reference.ts';

/** y[r][n] = Σ_k w[n][k]·x[r][k] in f64; gated: gelu(w[n]·x[r])·(w[n + outputs]·x[r]). w: [rows][columns], x: [inputRows][columns]. */
export function linearReference(
  w: Float32Array,
  x: Float32Array,
  columns: number,
  options: { gated?: boolean } = {},
): Float32Array {
  const weightRows = w.length / columns;
  const inputRows = x.length / columns;
  const outputs = options.gated ? weightRows / 2 : weightRows;
  const y = new Float32Array(inputRows * outputs);
  for (let r = 0; r < inputRows; r++) {
    for (let n = 0; n < outputs; n++) {
      const value = product(w, n, x, r, columns);
      y[r * outputs + n] = options.gated ? geluReference(value) * product(w, n + outputs, x, r, columns) : value;
    }
  }
  return y;
}

function product(w: Float32Array, n: number, x: Float32Array, r: number, columns: number): number {
  let sum = 0;
  for (let k = 0; k < columns; k++) sum += w[n * columns + k]! * x[r * columns + k]!;
  return sum;
}

/** How far off a product may be: f32 sums of n terms are by about 2⁻²⁴·√n. */
export function linearTolerance(columns: number): number {
  return Math.max(1e-6, 1.2e-7 * Math.sqrt(columns));
}

/** Where a column of a row stands in a vector arranged for so many rows together (arranged.wgsl). */
export function arrangedAt(column: number, row: number, columns: number, rows: number): number {
  const group = Math.floor(column / 16);
  const k = column % 16;
  if (rows === 1) return (Math.floor(k / 4) * (columns / 16) + group) * 4 + (k % 4);
  return ((k * (rows / 4) + Math.floor(row / 4)) * (columns / 16) + group) * 4 + (row % 4);
}

/** Where it stands in order of columns. */
export function inOrder(column: number, row: number, columns: number): number {
  return row * columns + column;
}
