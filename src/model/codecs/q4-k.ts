import type { Codec } from './codec.ts';
import {
  HEAD_BYTES,
  quantizeSuperBlock,
  readHead,
  SUB_BLOCKS,
  SUB_SIZE,
  SUPER_SIZE,
  type SubBlockGrids,
} from './super-block.ts';

/*
 * Q4_K: super-blocks of 256 in 144 bytes.
 *   0  16 bytes: scales and mins (super-block.ts)
 *  16  128 bytes: of each 32, low nibbles are one sub-block, high nibbles the next
 */
const BYTES = 144;
const GRIDS: SubBlockGrids = { maxLevel: 15, firstStep: -1, steps: 20 };

export const q4_k: Codec = {
  type: 'Q4_K',
  dequantize(blocks) {
    const values = new Float32Array((blocks.length / BYTES) * SUPER_SIZE);
    const scales = new Float32Array(SUB_BLOCKS);
    const mins = new Float32Array(SUB_BLOCKS);
    for (let at = 0, out = 0; at < blocks.length; at += BYTES, out += SUPER_SIZE) {
      readHead(blocks, at, scales, mins);
      for (let j = 0; j < SUB_BLOCKS; j++) {
        const from = at + HEAD_BYTES + (j >> 1) * SUB_SIZE;
        const shift = (j & 1) * 4;
        for (let i = 0; i < SUB_SIZE; i++) {
          values[out + j * SUB_SIZE + i] = scales[j] * ((blocks[from + i] >> shift) & 15) - mins[j];
        }
      }
    }
    return values;
  },
  quantize(values) {
    const blocks = new Uint8Array((values.length / SUPER_SIZE) * BYTES);
    const levels = new Uint8Array(SUPER_SIZE);
    for (let at = 0, from = 0; from < values.length; at += BYTES, from += SUPER_SIZE) {
      quantizeSuperBlock(values, from, blocks, at, levels, GRIDS);
      for (let j = 0; j < SUB_BLOCKS; j += 2) {
        const to = at + HEAD_BYTES + (j >> 1) * SUB_SIZE;
        for (let i = 0; i < SUB_SIZE; i++) {
          blocks[to + i] = levels[j * SUB_SIZE + i] | (levels[(j + 1) * SUB_SIZE + i] << 4);
        }
      }
    }
    return blocks;
  },
};
