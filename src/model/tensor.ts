/** Tensor types that Lapis reads. Names are GGML's. */
export const TENSOR_TYPES = {
  F32: { id: 0, blockSize: 1, blockBytes: 4 },
  F16: { id: 1, blockSize: 1, blockBytes: 2 },
  BF16: { id: 30, blockSize: 1, blockBytes: 2 },
  Q4_0: { id: 2, blockSize: 32, blockBytes: 18 },
  Q4_1: { id: 3, blockSize: 32, blockBytes: 20 },
  Q5_0: { id: 6, blockSize: 32, blockBytes: 22 },
  Q5_1: { id: 7, blockSize: 32, blockBytes: 24 },
  Q8_0: { id: 8, blockSize: 32, blockBytes: 34 },
  Q4_K: { id: 12, blockSize: 256, blockBytes: 144 },
  Q5_K: { id: 13, blockSize: 256, blockBytes: 176 },
  Q6_K: { id: 14, blockSize: 256, blockBytes: 210 },
  IQ4_NL: { id: 20, blockSize: 32, blockBytes: 18 },
} as const satisfies Record<string, { id: number; blockSize: number; blockBytes: number }>;

export type TensorType = keyof typeof TENSOR_TYPES;

/** One tensor of a model. */
export interface TensorInfo {
  /** GGUF name: `blk.0.attn_q.weight`. */
  name: string;
  type: TensorType;
  /** Row-major, slowest dimension first, as in PyTorch: [outputs, inputs] for a projection. */
  shape: number[];
  /** Stored size. */
  bytes: number;
}

/** Stored bytes of `count` elements of `type`; `count` is a multiple of the block size. */
export function tensorBytes(type: TensorType, count: number): number {
  const { blockSize, blockBytes } = TENSOR_TYPES[type];
  return (count / blockSize) * blockBytes;
}
