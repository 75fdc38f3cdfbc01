import type { TensorType } from '../../../model/tensor.ts';
import { TENSOR_TYPES, tensorBytes } from '../../../model/tensor.ts';
import { type GpuDevice, RANGE_ALIGNMENT } from '../../device.ts';
import { encode, Kernel } from '../../kernel.ts';
import { bytesPerBlock, type WeightMatrix, type WeightPart } from '../weights/weights.ts';
import { repackOnCpu } from './on-cpu.ts';
import q4_0 from './q4_0.wgsl?raw';
import q4_1 from './q4_1.wgsl?raw';
import q4_k from './q4_k.wgsl?raw';
import q5_0 from './q5_0.wgsl?raw';
import q5_1 from './q5_1.wgsl?raw';
import q5_k from './q5_k.wgsl?raw';
import q6_k from './q6_k.wgsl?raw';
import q8_0 from './q8_0.wgsl?raw';
import repackText from './repack.wgsl?raw';
import { UploadRing } from './upload-ring.ts';

/** The WGSL that defines `repack(block, target_block)`; types without it are uploaded as they are. */
const REPACK: Partial<Record<TensorType, string>> = {
  Q4_0: q4_0,
  Q4_1: q4_1,
  Q5_0: q5_0,
  Q5_1: q5_1,
  Q8_0: q8_0,
  Q4_K: q4_k,
  Q5_K: q5_k,
  Q6_K: q6_k,
  // The same bytes as Q4_0, read by another curve.
  IQ4_NL: q4_0,
};

/** Brings stored bytes into weight matrices: staged as published and repacked on the GPU, or on the CPU for an adapter that is one. */
export class WeightUploader {
  readonly #device: GpuDevice;
  readonly #kernels = new Map<TensorType, Kernel>();
  readonly #ring: UploadRing;
  /** On the CPU: words of packed halves of which another piece brings the other half. */
  readonly #sharedWords = new Map<GPUBuffer, Map<number, number>>();

  private constructor(device: GpuDevice) {
    this.#device = device;
    this.#ring = new UploadRing(device);
  }

  /** Compiles the repack kernels of the types that occur. */
  static async create(device: GpuDevice, types: Iterable<TensorType>): Promise<WeightUploader> {
    const uploader = new WeightUploader(device);
    if (device.features.naive) return uploader;
    await Promise.all(
      [...new Set(types)].map(async (type) => {
        const repack = REPACK[type];
        if (!repack) return;
        const kernel = await Kernel.compile(device, { label: `repack ${type}`, parts: [repackText, repack] });
        uploader.#kernels.set(type, kernel);
      }),
    );
    return uploader;
  }

  /**
   * Takes whole blocks of a tensor that begins at row `row` of `matrix`. They are on their way after `flush`. Rejects with `device-lost`.
   * @param offset of `bytes` in the tensor
   */
  async upload(matrix: WeightMatrix, row: number, offset: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const rowBytes = tensorBytes(matrix.type, matrix.columns);
    const { blockBytes } = TENSOR_TYPES[matrix.type];
    const start = row * rowBytes + offset;
    for (const part of matrix.parts) {
      const partStart = part.firstRow * rowBytes;
      const from = Math.max(start, partStart);
      const to = Math.min(start + bytes.byteLength, partStart + part.rows * rowBytes);
      const step = Math.floor(UploadRing.pieceBytes / blockBytes) * blockBytes;
      for (let at = from; at < to; at += step) {
        const piece = bytes.subarray(at - start, Math.min(at + step, to) - start);
        await this.#uploadPiece(matrix.type, part, at - partStart, piece);
      }
    }
  }

  /** Submits what is left of what was uploaded. */
  flush(): void {
    this.#ring.flush();
  }

  async #uploadPiece(type: TensorType, part: WeightPart, offset: number, bytes: Uint8Array<ArrayBuffer>) {
    const firstBlock = offset / TENSOR_TYPES[type].blockBytes;
    const { buffer, offset: start = 0 } = part.ranges[0]!;
    if (!REPACK[type]) await this.#copy(buffer, start + offset, bytes);
    else if (this.#device.features.naive) await this.#repackOnCpu(type, part, firstBlock, bytes);
    else await this.#repackOnGpu(type, part, firstBlock, bytes);
  }

  /** To an offset that is a multiple of 4; a last word that is not whole takes what lies behind the bytes with it. */
  async #copy(target: GPUBuffer, targetOffset: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const size = Math.ceil(bytes.length / 4) * 4;
    await this.#ring.put([bytes], (encoder, staging, offset) =>
      encoder.copyBufferToBuffer(staging, offset, target, targetOffset, size),
    );
  }

  async #repackOnGpu(type: TensorType, part: WeightPart, firstBlock: number, bytes: Uint8Array<ArrayBuffer>) {
    const blockCount = bytes.length / TENSOR_TYPES[type].blockBytes;
    const params = new Uint8Array(new Uint32Array([blockCount, firstBlock, 0, 0]).buffer);
    const sourceBytes = Math.ceil(bytes.length / 4) * 4;
    const groups = Math.ceil(blockCount / 64);
    const width = Math.min(groups, 32768);
    await this.#ring.put([params, bytes], (encoder, buffer, offset) => {
      const source = { buffer, offset: offset + RANGE_ALIGNMENT, size: sourceBytes };
      const bindings = [{ buffer, offset, size: params.length }, source, ...part.ranges];
      const pass = encoder.beginComputePass();
      encode(pass, [this.#kernels.get(type)!.bind([bindings], [width, Math.ceil(groups / width)])]);
      pass.end();
    });
  }

  async #repackOnCpu(type: TensorType, part: WeightPart, firstBlock: number, bytes: Uint8Array<ArrayBuffer>) {
    const sizes = bytesPerBlock(type);
    for (const [index, repacked] of repackOnCpu(type, bytes).entries()) {
      const { buffer, offset = 0 } = part.ranges[index]!;
      await this.#write(buffer, offset + firstBlock * sizes[index]!, repacked);
    }
  }

  /** Writes from an even offset on; where that is in the middle of a word, what is known of its other half stays. */
  async #write(buffer: GPUBuffer, offset: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const skipped = Math.min(offset % 4, bytes.length);
    if (skipped > 0) this.#writeHalf(buffer, offset, bytes.subarray(0, skipped));
    const rest = bytes.length - skipped;
    const whole = rest & ~3;
    if (whole > 0) await this.#copy(buffer, offset + skipped, bytes.subarray(skipped, skipped + whole));
    if (whole < rest) this.#writeHalf(buffer, offset + skipped + whole, bytes.subarray(skipped + whole));
  }

  /** Writes the two bytes that stand at an even offset together with the other two of their word. */
  #writeHalf(buffer: GPUBuffer, offset: number, [low = 0, high = 0]: Uint8Array<ArrayBuffer>): void {
    const words = this.#sharedWords.get(buffer) ?? new Map<number, number>();
    this.#sharedWords.set(buffer, words);
    const at = offset & ~3;
    const word = (words.get(at) ?? 0) | ((low | (high << 8)) << ((offset & 2) * 8));
    words.set(at, word);
    this.#device.device.queue.writeBuffer(buffer, at, new Int32Array([word]));
  }

  destroy(): void {
    this.#ring.destroy();
  }
}
