import { type Gemma3Config, isGlobalLayer } from '../model/config.ts';
import { BufferRanges, bytesOfRanges, spanOf } from './buffer-ranges.ts';
import { COPY_DST, COPY_SRC, type GpuDevice, STORAGE } from './device.ts';
import { ropeAngles } from './kernels/rope/angles.ts';
import { MAX_GENERATED_ROWS, ROW_WORDS } from './rows.ts';

/** Positions in a block (rope/cache.wgsl). */
export const BLOCK_POSITIONS = 64;

/** Blocks that hold so many positions. */
export function blockCount(positions: number): number {
  return Math.ceil(positions / BLOCK_POSITIONS);
}

/** Two ranges, of one buffer where it can be so large. */
interface LayerCache {
  keys: GPUBufferBinding;
  values: GPUBufferBinding;
}

/** A set of layers that share one shape of cache: the global layers, or the local ones. */
interface CacheSpace {
  /** Blocks a slot's table holds; a local layer's positions wrap around it. */
  tableLength: number;
  /** u32 [slots][tableLength]: block of each run of 64 positions. */
  table: GPUBufferBinding;
  /** (cos, sin) [context][headDim / 2]: global and local layers turn their keys by other frequencies. */
  angles: GPUBufferBinding;
  /** Where a generated row's attention looks its place up: one range with the rows, the table and the angles. */
  places: GPUBufferBinding;
}

export interface KvCacheShape {
  slotCount: number;
  contextTokens: number;
  /** The most positions that may be written beyond the last one a local layer still needs: a chunk, or tokens in flight. */
  slack: number;
}

/**
 * Keys and values of every layer as packed halves, [entry][kvHeads][headDim / 2] u32. Global layers share fixed blocks through a
 * table per slot, with reference counts, so that clones and shared prefixes cost nothing; a local layer keeps a ring of its
 * window and the slack, which is copied on clone.
 */
export class KvCache {
  readonly global: CacheSpace;
  readonly local: CacheSpace;
  /** Row [8]: the generated rows, between the two spaces. */
  readonly rows: GPUBufferBinding;
  readonly #device: GpuDevice;
  readonly #layers: LayerCache[];
  readonly #isGlobal: boolean[];
  readonly #blockBytes: number;
  readonly #references: Uint32Array;
  readonly #freeBlocks: number[];
  /** Block of each run of 64 positions, a slot. */
  readonly #tables: number[][];
  /** One past the highest position ever written since the slot was emptied: what a ring may have lost counts from here. */
  readonly #written: number[];
  readonly #ringSlack: number;
  #copyBuffer: GPUBuffer | undefined;

  constructor(device: GpuDevice, config: Gemma3Config, shape: KvCacheShape) {
    this.#device = device;
    const { slotCount, contextTokens, slack } = shape;
    const contextBlocks = blockCount(contextTokens);
    const ringBlocks = Math.min(contextBlocks, blockCount(config.slidingWindow + slack) + 1);
    this.#ringSlack =
      ringBlocks === contextBlocks ? contextTokens : ringBlocks * BLOCK_POSITIONS - config.slidingWindow;
    this.#blockBytes = BLOCK_POSITIONS * config.kvHeadCount * config.headDim * 2;
    this.#isGlobal = Array.from({ length: config.layerCount }, (_, layer) => isGlobalLayer(config, layer));
    this.#layers = this.#isGlobal.map((global, layer) => {
      const bytes = slotCount * (global ? contextBlocks : ringBlocks) * this.#blockBytes;
      const usage = STORAGE | COPY_SRC | COPY_DST;
      const both = bytesOfRanges([bytes, bytes]);
      if (both > device.device.limits.maxBufferSize) {
        const [keys, values] = [`keys ${layer}`, `values ${layer}`].map((label) =>
          device.createBuffer(label, bytes, usage),
        );
        return { keys: { buffer: keys!, offset: 0, size: bytes }, values: { buffer: values!, offset: 0, size: bytes } };
      }
      const ranges = new BufferRanges(device.createBuffer(`keys and values ${layer}`, both, usage));
      return { keys: ranges.next(bytes), values: ranges.next(bytes) };
    });
    const { headDim, ropeThetaGlobal, ropeScaleGlobal, ropeThetaLocal } = config;
    const globalAngles = ropeAngles(
      headDim,
      this.#isGlobal.includes(true) ? contextTokens : 0,
      ropeThetaGlobal,
      ropeScaleGlobal,
    );
    const localAngles = ropeAngles(headDim, contextTokens, ropeThetaLocal, 1);
    const globalBlocks = new Uint32Array(slotCount * contextBlocks);
    const localBlocks = Uint32Array.from({ length: slotCount * ringBlocks }, (_, i) => i);
    const rowBytes = MAX_GENERATED_ROWS * ROW_WORDS * 4;
    const sizes = [globalAngles, globalBlocks, localBlocks, localAngles].map(({ byteLength }) => byteLength);
    const usage = STORAGE | COPY_SRC | COPY_DST;
    const ranges = new BufferRanges(device.createBuffer('places', bytesOfRanges([...sizes, rowBytes]), usage));
    const written = (data: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>) => {
      const range = ranges.next(data.byteLength);
      device.device.queue.writeBuffer(range.buffer, range.offset!, data);
      return range;
    };
    const [angles, table] = [written(globalAngles), written(globalBlocks)];
    this.rows = ranges.next(rowBytes);
    this.global = { angles, table, tableLength: contextBlocks, places: spanOf(angles, this.rows) };
    const ring = { table: written(localBlocks), angles: written(localAngles) };
    this.local = { ...ring, tableLength: ringBlocks, places: spanOf(this.rows, ring.angles) };
    this.#references = new Uint32Array(slotCount * contextBlocks);
    this.#freeBlocks = Array.from(this.#references, (_, i) => this.#references.length - 1 - i);
    this.#tables = Array.from({ length: slotCount }, () => []);
    this.#written = new Array(slotCount).fill(0);
  }

  layer(layer: number): LayerCache & CacheSpace {
    return { ...this.#layers[layer]!, ...(this.#isGlobal[layer] ? this.global : this.local) };
  }

  /** Makes room for positions `from` … `to` − 1 of a slot, before the commands that write them are submitted. */
  prepareWrite(slot: number, from: number, to: number): void {
    const table = this.#tables[slot]!;
    const firstChanged = Math.floor(from / BLOCK_POSITIONS);
    let changed = false;
    for (let index = firstChanged; index * BLOCK_POSITIONS < to; index++) {
      const present = table[index];
      if (present !== undefined && this.#references[present] === 1) continue;
      const block = this.#freeBlocks.pop()!;
      this.#references[block] = 1;
      if (present !== undefined) {
        this.#copyGlobalBlock(present, block);
        this.#release(present);
      }
      table[index] = block;
      changed = true;
    }
    this.#written[slot] = Math.max(this.#written[slot]!, to);
    if (changed) this.#writeTable(slot, firstChanged);
  }

  /** Whether a slot can go on from `position`: the local layers' rings must still hold the window before it. */
  canRewind(slot: number, position: number): boolean {
    return position === 0 || this.#written[slot]! - position <= this.#ringSlack;
  }

  /** Frees the global blocks that hold only positions from `position` on. */
  truncate(slot: number, position: number): void {
    const kept = blockCount(position);
    for (const block of this.#tables[slot]!.splice(kept)) this.#release(block);
    if (position === 0) this.#written[slot] = 0;
  }

  /** Gives `target` (empty) the sequence of `source`. */
  clone(source: number, target: number): void {
    this.#tables[target] = [...this.#tables[source]!];
    for (const block of this.#tables[target]) this.#references[block]!++;
    this.#written[target] = this.#written[source]!;
    this.#writeTable(target, 0);
    const ringBytes = this.local.tableLength * this.#blockBytes;
    this.#layers.forEach((layer, index) => {
      if (this.#isGlobal[index]) return;
      for (const range of [layer.keys, layer.values])
        this.#copy(range, source * ringBytes, target * ringBytes, ringBytes);
    });
  }

  destroy(): void {
    for (const { keys, values } of this.#layers) {
      keys.buffer.destroy();
      values.buffer.destroy();
    }
    this.rows.buffer.destroy();
    this.#copyBuffer?.destroy();
  }

  #release(block: number): void {
    if (--this.#references[block]! === 0) this.#freeBlocks.push(block);
  }

  #writeTable(slot: number, from: number): void {
    const blocks = new Uint32Array(this.#tables[slot]!.slice(from));
    if (blocks.length === 0) return;
    const { table, tableLength } = this.global;
    const offset = table.offset! + (slot * tableLength + from) * 4;
    this.#device.device.queue.writeBuffer(table.buffer, offset, blocks);
  }

  #copyGlobalBlock(source: number, target: number): void {
    this.#layers.forEach((layer, index) => {
      if (!this.#isGlobal[index]) return;
      for (const range of [layer.keys, layer.values]) {
        this.#copy(range, source * this.#blockBytes, target * this.#blockBytes, this.#blockBytes);
      }
    });
  }

  /** Inside one range, by way of another buffer: WebGPU refuses a copy from a buffer to itself. */
  #copy({ buffer, offset = 0 }: GPUBufferBinding, from: number, to: number, bytes: number): void {
    const ringBytes = this.local.tableLength * this.#blockBytes;
    this.#copyBuffer ??= this.#device.createBuffer('kv copy', ringBytes, COPY_SRC | COPY_DST);
    const encoder = this.#device.device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, offset + from, this.#copyBuffer, 0, bytes);
    encoder.copyBufferToBuffer(this.#copyBuffer, 0, buffer, offset + to, bytes);
    this.#device.device.queue.submit([encoder.finish()]);
  }
}
