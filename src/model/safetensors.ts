import { LapisError } from '../protocol/errors.ts';
import type { ByteSource } from './byte-source.ts';
import { FOLDER_LIMITS } from './limits.ts';

/** A tensor of a safetensors file, where it stands. */
export interface SafeTensor {
  name: string;
  /** As written: `BF16`, `F32`, `I64`, … */
  dtype: string;
  shape: number[];
  /** From the start of the file. */
  fileOffset: number;
  bytes: number;
  file: ByteSource;
}

interface Entry {
  dtype?: unknown;
  shape?: unknown;
  data_offsets?: unknown;
}

function isNaturals(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

/**
 * Reads a safetensors header: u64 length, then JSON of {name: {dtype, shape, data_offsets: [begin, end]}}, offsets from the end of
 * the JSON (huggingface/safetensors, README "Format"). `label` names the file in errors. Errors: `corrupt`.
 */
export async function readSafetensors(file: ByteSource, label: string, signal?: AbortSignal): Promise<SafeTensor[]> {
  const corrupt = (what: string, cause?: unknown): LapisError =>
    new LapisError('corrupt', `${label} ${what}.`, { cause });
  if (file.size < 8) throw corrupt('is too short to be a safetensors file');
  const length = Number(new DataView((await file.read(0, 8, signal)).buffer).getBigUint64(0, true));
  if (length > FOLDER_LIMITS.safetensorsHeaderBytes) throw corrupt(`claims a header of ${length} bytes`);
  if (8 + length > file.size) throw corrupt('ends in the middle of its header');

  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder().decode(await file.read(8, length, signal)));
  } catch (error) {
    if (error instanceof LapisError) throw error;
    throw corrupt('has a header that is not JSON', error);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    throw corrupt('has a header without tensors');

  const tensors: SafeTensor[] = [];
  for (const [name, entry] of Object.entries(header as Record<string, Entry | null>)) {
    if (name === '__metadata__') continue;
    const { dtype, shape, data_offsets: offsets } = entry ?? {};
    if (typeof dtype !== 'string' || !isNaturals(shape) || !isNaturals(offsets) || offsets.length !== 2) {
      throw corrupt(`describes the tensor ${name} wrongly`);
    }
    const [begin, end] = offsets;
    if (end < begin || 8 + length + end > file.size) throw corrupt(`ends before the tensor ${name} does`);
    tensors.push({ name, dtype, shape, fileOffset: 8 + length + begin, bytes: end - begin, file });
  }
  return tensors;
}
