import { dequantize, quantize } from '../../src/model/codecs/registry.ts';
import type { ModelSource } from '../../src/model/source.ts';
import { type TensorInfo, type TensorType, tensorBytes } from '../../src/model/tensor.ts';
import { openModel } from '../../tools/model-files.ts';
import { readGolden } from '../goldens/golden.ts';

/** The golden `tiny` with two layers instead of seven, a local one and a global one: enough of a model where its numbers do not matter. */
export async function openShallow(): Promise<ModelSource> {
  const source = await openModel(readGolden('tiny').model);
  const config = { ...source.config, layerCount: 2, slidingWindowPattern: 2 };
  const { id, schemaVersion, tokenizer, tensors, normSource } = source;
  return { id, schemaVersion, tokenizer, tensors, normSource, config, weights: (options) => source.weights(options) };
}

/**
 * A model with some of its tensors in other types: `types` gives the types through which a tensor's values go, in order. [Q8_0, F32]
 * has the values of Q8_0, stored as F32.
 */
export function withTypes(source: ModelSource, types: Record<string, TensorType[]>): ModelSource {
  const typeOf = (tensor: TensorInfo) => types[tensor.name]?.at(-1) ?? tensor.type;
  const tensors = source.tensors.map((tensor) => {
    const count = tensor.shape.reduce((product, size) => product * size, 1);
    return { ...tensor, type: typeOf(tensor), bytes: tensorBytes(typeOf(tensor), count) };
  });
  async function* weights(options?: Parameters<ModelSource['weights']>[0]) {
    for await (const { tensor, offset, bytes } of source.weights(options)) {
      let [type, stored] = [tensor.type as TensorType, bytes];
      for (const next of types[tensor.name] ?? []) {
        stored = quantize(next, dequantize(type, stored));
        type = next;
      }
      const elements = elementCount(tensor.type, offset);
      yield {
        tensor: tensors.find(({ name }) => name === tensor.name)!,
        offset: tensorBytes(type, elements),
        bytes: stored,
      };
    }
  }
  const { id, schemaVersion, tokenizer, normSource, config } = source;
  return { id, schemaVersion, tokenizer, tensors, normSource, config, weights };
}

/** Elements in so many stored bytes. */
function elementCount(type: TensorType, bytes: number): number {
  return (bytes / tensorBytes(type, 256)) * 256;
}
