import { LapisError } from '../protocol/errors.ts';
import { printable } from '../protocol/printable.ts';
import type { ByteSource } from './byte-source.ts';
import { FOLDER_LIMITS } from './limits.ts';
import { parseUntrustedJson } from './untrusted-json.ts';

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
 * the JSON; the data has neither holes nor overlaps and ends with the file (huggingface/safetensors, README "Format"). `label`
 * names the file in errors. Errors: `corrupt`.
 */
export async function readSafetensors(file: ByteSource, label: string, signal?: AbortSignal): Promise<SafeTensor[]> {
  const corrupt = (what: string): LapisError => new LapisError('corrupt', `${label} ${what}.`);
  if (file.size < 8) throw corrupt('is too short to be a safetensors file');
  const length = Number(new DataView((await file.read(0, 8, signal)).buffer).getBigUint64(0, true));
  if (length > FOLDER_LIMITS.safetensorsHeaderBytes) throw corrupt(`claims a header of ${length} bytes`);
  const dataOffset = 8 + length;
  if (dataOffset > file.size) throw corrupt('ends in the middle of its header');

  const header = parseUntrustedJson(await file.read(8, length, signal), `The header of ${label}`);
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    throw corrupt('has a header without tensors');

  const tensors: SafeTensor[] = [];
  for (const [name, entry] of Object.entries(header as Record<string, Entry | null>)) {
    if (name === '__metadata__') continue;
    const { dtype, shape, data_offsets: offsets } = entry ?? {};
    if (typeof dtype !== 'string' || !isNaturals(shape) || !isNaturals(offsets) || offsets.length !== 2) {
      throw corrupt(`describes the tensor ${printable(name)} wrongly`);
    }
    if (shape.length > FOLDER_LIMITS.dimensions) {
      throw corrupt(`gives the tensor ${printable(name)} ${shape.length} dimensions`);
    }
    const [begin, end] = offsets;
    if (end < begin || dataOffset + end > file.size) throw corrupt(`ends before the tensor ${printable(name)} does`);
    tensors.push({ name, dtype, shape, fileOffset: dataOffset + begin, bytes: end - begin, file });
  }
  checkLayout(tensors, dataOffset, file.size, corrupt);
  return tensors;
}

function checkLayout(
  tensors: readonly SafeTensor[],
  dataOffset: number,
  fileSize: number,
  corrupt: (what: string) => LapisError,
): void {
  // An empty tensor goes before the one that begins at the same byte.
  const inOrder = tensors.toSorted((a, b) => a.fileOffset - b.fileOffset || a.bytes - b.bytes);
  let end = dataOffset;
  for (const { name, fileOffset, bytes } of inOrder) {
    if (fileOffset < end) throw corrupt(`has the tensor ${printable(name)} overlap another`);
    if (fileOffset > end) throw corrupt(`has a hole before the tensor ${printable(name)}`);
    end = fileOffset + bytes;
  }
  if (end !== fileSize) throw corrupt(`goes on for ${fileSize - end} bytes after its last tensor`);
}
