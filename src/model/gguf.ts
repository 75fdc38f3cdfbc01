import { LapisError } from '../protocol/errors.ts';
import { printable } from '../protocol/printable.ts';
import type { ByteSource } from './byte-source.ts';
import { throwIfAborted } from './byte-source.ts';
import { chunkBytes } from './chunks.ts';
import type { Gemma3Config } from './config.ts';
import { checkTensors } from './gemma3-tensors.ts';
import { ggufConfig, ggufTokenizer } from './gguf-config.ts';
import { type GgufHeader, type GgufTensor, readGgufHeader } from './gguf-header.ts';
import { isNorm } from './norm.ts';
import { WEIGHTS_SCHEMA_VERSION } from './schema-version.ts';
import type { ModelSource } from './source.ts';
import { TENSOR_TYPES, type TensorInfo, type TensorType, tensorBytes } from './tensor.ts';

/** Where a tensor's bytes stand in the file. */
interface LocatedTensor extends TensorInfo {
  /** From the start of the file. */
  fileOffset: number;
}

/** A model whose weights are the bytes of a GGUF file, unchanged. */
export interface GgufModelSource extends ModelSource {
  readonly file: ByteSource;
  readonly header: GgufHeader;
  readonly tensors: readonly LocatedTensor[];
}

/** GGML's numbers of the types that Lapis does not read, for the error's sake (ggml.h). */
const OTHER_TYPES: Record<number, string> = {
  9: 'Q8_1',
  10: 'Q2_K',
  11: 'Q3_K',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  31: 'Q4_0_4_4',
  32: 'Q4_0_4_8',
  33: 'Q4_0_8_8',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
  40: 'NVFP4',
  41: 'Q1_0',
  42: 'Q2_0',
};

const TYPE_BY_ID = new Map<number, TensorType>(
  Object.entries(TENSOR_TYPES).map(([name, { id }]) => [id, name as TensorType]),
);

/** Name prefixes of the vision tower, its projector and audio encoders, which some files carry beside the text model. */
const OTHER_TOWERS = ['v.', 'mm.', 'a.'];

function locate(header: GgufHeader, tensor: GgufTensor, fileSize: number): LocatedTensor {
  const { name, shape } = tensor;
  const type = TYPE_BY_ID.get(tensor.typeId);
  if (!type) {
    const typeName = OTHER_TYPES[tensor.typeId] ?? `number ${tensor.typeId}`;
    throw new LapisError(
      'unsupported',
      `The tensor ${printable(name)} is of type ${typeName}, which is not supported; ${Object.keys(TENSOR_TYPES).join(', ')} are.`,
    );
  }
  const row = shape[shape.length - 1];
  const { blockSize } = TENSOR_TYPES[type];
  if (row % blockSize !== 0) {
    throw new LapisError(
      'corrupt',
      `The tensor ${printable(name)} has rows of ${row}, which is not a multiple of ${type}'s ${blockSize}.`,
    );
  }
  if (isNorm(name) && type !== 'F32') {
    throw new LapisError('unsupported', `The norm ${printable(name)} is of type ${type}; norms in GGUF files are F32.`);
  }
  const bytes = tensorBytes(
    type,
    shape.reduce((a, b) => a * b, 1),
  );
  const fileOffset = header.dataOffset + tensor.offset;
  if (fileOffset + bytes > fileSize) {
    throw new LapisError(
      'corrupt',
      `The file ends at byte ${fileSize}, before the end of the tensor ${printable(name)} at ${fileOffset + bytes}.`,
    );
  }
  return { name, type, shape, bytes, fileOffset };
}

function locateAll(header: GgufHeader, config: Gemma3Config, fileSize: number): LocatedTensor[] {
  const tensors = header.tensors
    .filter(({ name }) => !OTHER_TOWERS.some((prefix) => name.startsWith(prefix)))
    .map((tensor) => locate(header, tensor, fileSize))
    .sort((a, b) => a.fileOffset - b.fileOffset);
  for (let i = 1; i < tensors.length; i++) {
    const before = tensors[i - 1];
    if (before.fileOffset + before.bytes > tensors[i].fileOffset) {
      throw new LapisError(
        'corrupt',
        `The tensors ${printable(before.name)} and ${printable(tensors[i].name)} overlap in the file.`,
      );
    }
  }
  checkTensors(config, tensors);
  return tensors;
}

/**
 * Opens a Gemma 3 GGUF (version 2 or 3). Reads the header only; weights are read as they are asked for. Errors: `corrupt`,
 * `unsupported` (naming tensor and type), `not-gemma` (naming the architecture), `aborted`.
 */
export async function openGguf(
  source: ByteSource,
  { id, signal }: { id: string; signal?: AbortSignal },
): Promise<GgufModelSource> {
  const header = await readGgufHeader(source, signal);
  const config = ggufConfig(header);
  const tensors = locateAll(header, config, source.size);
  return {
    id,
    schemaVersion: WEIGHTS_SCHEMA_VERSION,
    config,
    tokenizer: ggufTokenizer(header, config.vocabularySize),
    tensors,
    normSource: '1+w',
    file: source,
    header,
    async *weights({ signal, onProgress } = {}) {
      const bytesTotal = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
      let bytesDone = 0;
      for (const tensor of tensors) {
        const step = chunkBytes(tensor);
        for (let offset = 0; offset < tensor.bytes; offset += step) {
          throwIfAborted(signal);
          const length = Math.min(step, tensor.bytes - offset);
          const bytes = await source.read(tensor.fileOffset + offset, length, signal);
          yield { tensor, offset, bytes };
          bytesDone += length;
          onProgress?.({ bytesDone, bytesTotal });
        }
      }
    },
  };
}
