import { TENSOR_TYPES, type TensorType } from '../../../model/tensor.ts';
import type { KernelBench } from '../../testing/kernel-bench.ts';
import { buffersOf, createWeightMatrix } from '../weights/weights.ts';
import { WeightUploader } from './upload.ts';

/** Stored bytes on their way into a matrix, staging included: what an upload costs beside the source. */
export const bench: KernelBench = async function* ({ device, config }) {
  const [rows, columns] = [config.hiddenSize, config.feedForwardSize];
  for (const type of Object.keys(TENSOR_TYPES) as TensorType[]) {
    const { blockSize, blockBytes } = TENSOR_TYPES[type];
    if (columns % blockSize !== 0) continue;
    const uploader = await WeightUploader.create(device, [type]);
    const matrix = createWeightMatrix(device, { label: type, type, rows, columns });
    const bytes = new Uint8Array(((rows * columns) / blockSize) * blockBytes);
    yield {
      name: type,
      async round() {
        await uploader.upload(matrix, 0, 0, bytes);
        uploader.flush();
        await device.device.queue.onSubmittedWorkDone();
      },
      bytes: bytes.length,
    };
    uploader.destroy();
    for (const buffer of buffersOf(matrix)) buffer.destroy();
  }
};
