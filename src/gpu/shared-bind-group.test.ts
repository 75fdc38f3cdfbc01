import { expect, test } from 'vitest';
import { type Known, throughViews, type View } from './shared-bind-group.ts';

/* What kernels' texts become where they read and write through views. Whether they compute the same is tested in layer-bind-groups.test.ts. */

const weights = { size: 4096 } as GPUBuffer;
const activations = { size: 4096 } as GPUBuffer;
const batch = { size: 16 } as GPUBuffer;
const places = { size: 1024 } as GPUBuffer;
const VIEWS: View[] = [
  { binding: { buffer: places, offset: 256, size: 512 }, access: 'read', type: 'array<u32>' },
  { binding: { buffer: activations, offset: 256, size: 1024 }, access: 'read_write', type: 'array<f32>' },
  { binding: weights, access: 'read', type: 'array<vec2<u32>>' },
  { binding: weights, access: 'read', type: 'array<vec4<u32>>' },
];

const KNOWN: Known[] = [{ binding: batch, value: 'Batch(1u, 0u)' }];

/** The lines that become of a declaration and a statement. */
function through(declaration: string, statement: string, binding: GPUBuffer | GPUBufferBinding): string[] {
  const text = throughViews(`@group(0) @binding(0) var<${declaration};\n${statement}`, [[binding]], VIEWS, KNOWN);
  return text.split('\n').filter((line) => line !== '');
}

const range = (buffer: GPUBuffer, offset: number, size = 256) => ({ buffer, offset, size });

test('an array becomes an offset in a view of its type, written or read', () => {
  expect(through('storage, read_write> y: array<f32>', 'y[2u * i] = 1.0;', range(activations, 512))).toEqual([
    'view_1[64u + (2u * i)] = 1.0;',
    '@group(0) @binding(1) var<storage, read_write> view_1: array<f32>;',
  ]);
  expect(through('storage, read> q: array<vec4<u32>>', 'q[q[i].x + 1u];', range(weights, 512))).toEqual([
    'view_3[32u + (view_3[32u + (i)].x + 1u)];',
    '@group(0) @binding(3) var<storage, read> view_3: array<vec4<u32>>;',
  ]);
});

test('other types are read as bits, as parts of a vector, or from several words', () => {
  const [floats] = through('storage, read> w: array<vec4<f32>>', 'w[i];', range(weights, 256));
  expect(floats).toBe('bitcast<vec4<f32>>(view_3[16u + (i)]);');
  const [word] = through('storage, read> s: array<u32>', 's[i >> 1u];', range(weights, 256));
  expect(word).toBe('view_2[(64u + (i >> 1u)) / 2u][(64u + (i >> 1u)) % 2u];');
  const [float] = through('storage, read> s: array<f32>', 's[i];', range(weights, 256));
  expect(float).toBe('bitcast<f32>(view_2[(64u + (i)) / 2u][(64u + (i)) % 2u]);');
  const [quad, , helper] = through('storage, read> x: array<vec4<f32>>', 'x[i];', range(activations, 512));
  expect(quad).toBe('view_1_4_words(64u + 4u * (i));');
  expect(helper).toContain('vec4<f32>(view_1[at + 0u], view_1[at + 1u], view_1[at + 2u], view_1[at + 3u])');
});

test('two vectors make one of twice their words', () => {
  const text = '@group(0) @binding(0) var<storage, read> w: array<vec4<f32>>;\nw[i];';
  const lines = throughViews(text, [[range(weights, 256)]], [VIEWS[2]!]).split('\n');
  expect(lines[1]).toBe('bitcast<vec4<f32>>(view_0_4_words(32u + 2u * (i)));');
  expect(lines[3]).toBe(
    'fn view_0_4_words(at: u32) -> vec4<u32> { return vec4<u32>(view_0[at + 0u], view_0[at + 1u]); }',
  );
});

test('a struct of words is made from the words of a view', () => {
  const declaration = 'storage, read> rows: array<Row>;\nstruct Row {\n  slot: u32,\n  position: u32,\n}';
  const lines = through(declaration, 'rows[i].slot;', range(places, 512));
  expect(lines).toContain('view_0_Row(64u + 2u * (i)).slot;');
  expect(lines).toContain('fn view_0_Row(at: u32) -> Row { return Row(view_0[at + 0u], view_0[at + 1u]); }');
});

test('what is known becomes a constant', () => {
  expect(through('uniform> batch: Batch', 'batch.row_count + s.batches;', batch)).toEqual([
    'const batch = Batch(1u, 0u);',
    'batch.row_count + s.batches;',
  ]);
});

test('fields of the same name are left alone', () => {
  const [field] = through('storage, read> q: array<u32>', 's.q[0] + q[1];', range(weights, 0));
  expect(field).toBe('s.q[0] + view_2[(0u + (1)) / 2u][(0u + (1)) % 2u];');
});

test('what no view serves is refused by name', () => {
  expect(() => through('storage, read_write> y: array<vec4<f32>>', 'y[0];', range(activations, 512))).toThrow(
    'y: array<vec4<f32>>',
  );
  expect(() => through('storage, read_write> w: array<vec4<u32>>', 'w[0];', range(weights, 0))).toThrow(
    'w: array<vec4<u32>>',
  );
  expect(() => through('storage, read> y: array<f32>', 'y[0];', range(activations, 1280))).toThrow('y: array<f32>');
});
