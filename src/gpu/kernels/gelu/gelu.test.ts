import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  bufferWith,
  expectClose,
  openTestDevice,
  randomSource,
  runAndRead,
} from '../../../../tests/gpu/test-device.ts';
import { COPY_DST, type GpuDevice, UNIFORM } from '../../device.ts';
import { Kernel } from '../../kernel.ts';
import gelu from './gelu.wgsl?raw';
import geluMul from './gelu_mul.wgsl?raw';
import { geluReference } from './reference.ts';

let device: GpuDevice;
let close: () => void;

beforeAll(async () => ({ device, close } = await openTestDevice()));
afterAll(() => close());

/** gelu(gate)·up for rows of gate and up as the matrix products leave them. */
async function run(gate: Float32Array[], up: Float32Array[]) {
  const outputs = gate[0]!.length;
  const params = device.createBuffer('params', 16, UNIFORM | COPY_DST);
  device.device.queue.writeBuffer(params, 0, new Uint32Array([outputs]));
  const rows = gate.flatMap((row, r) => [...row, ...up[r]!]);
  const input = bufferWith(device, 'gate and up', Float32Array.from(rows));
  const output = bufferWith(device, 'gated', new Float32Array(gate.length * outputs));
  const kernel = await Kernel.compile(device, { label: 'gelu mul', parts: [gelu, geluMul] });
  const groups = Math.ceil(outputs / 256);
  const dispatch = kernel.bind([[params, input, output]], [groups, gate.length]);
  return runAndRead(device, [dispatch], output, gate.length * outputs);
}

test('rows that do not fill a workgroup', async () => {
  const random = randomSource(1);
  const gate = [0, 1, 2].map(() => random.normals(300, 2));
  const up = [0, 1, 2].map(() => random.normals(300, 2));
  const expected = gate.flatMap((row, r) => Array.from(row, (value, n) => geluReference(value) * up[r]![n]!));
  expectClose(await run(gate, up), expected, 1e-6);
});

test('values far out, where a tanh may overflow', async () => {
  const gate = Float32Array.of(-3e38, -1e6, -100, -20, -10, -5, -1e-20, 0, 1e-20, 5, 10, 20, 100, 1e6, 3e38);
  const actual = await run([gate], [new Float32Array(gate.length).fill(1)]);
  gate.forEach((x, i) => {
    const expected = Math.fround(geluReference(x));
    // Towards minus infinity 1 + tanh keeps the absolute precision of 1 alone.
    expect(Math.abs(actual[i]! - expected), `gelu(${x}) = ${actual[i]}`).toBeLessThanOrEqual(Math.abs(x) * 3e-7);
  });
});
