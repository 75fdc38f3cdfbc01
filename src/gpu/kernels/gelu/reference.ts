/** GELU, tanh approximation, in f64 (Hendrycks & Gimpel 2016; `gelu_pytorch_tanh`). */
export function geluReference(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}
