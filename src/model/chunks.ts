import { type TensorInfo, tensorBytes } from './tensor.ts';

/** The most that a reader takes into memory at once, but for whole shards. */
const CHUNK_BYTES = 16 * 1024 * 1024;

/**
 * The smallest step, in bytes, at which a tensor may be cut: whole rows, as many as make a multiple of 4, because a GPU buffer
 * is written in words. CONFIG_LIMITS keep that at 16 MiB.
 */
export function cutBytes({ type, shape }: Pick<TensorInfo, 'type' | 'shape'>): number {
  const rowBytes = tensorBytes(type, shape[shape.length - 1]);
  if (rowBytes % 4 === 0) return rowBytes;
  return rowBytes % 2 === 0 ? 2 * rowBytes : 4 * rowBytes;
}

/** How much of a tensor a reader yields at once, at most. */
export function chunkBytes(tensor: Pick<TensorInfo, 'type' | 'shape'>): number {
  const unit = cutBytes(tensor);
  return Math.max(1, Math.floor(CHUNK_BYTES / unit)) * unit;
}
