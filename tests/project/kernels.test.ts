import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { KERNEL_BENCHES } from '../../src/gpu/testing/kernel-benches.ts';
import { ROOT } from './sources.ts';

const KERNELS = join(ROOT, 'src/gpu/kernels');
/** Folders with texts that other kernels are made of. */
const PARTS = ['madd', 'weights'];

test('every kernel has its bench beside it', () => {
  const folders = readdirSync(KERNELS).filter((name) => !PARTS.includes(name));
  expect(Object.keys(KERNEL_BENCHES).sort()).toEqual(folders.sort());
  for (const name of folders) expect(existsSync(join(KERNELS, name, `${name}.bench.ts`)), name).toBe(true);
});
