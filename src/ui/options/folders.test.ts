import { expect, test } from 'vitest';
import { exportFolderName } from './folders.ts';

test.each([
  ['gemma-3-1b-it-q4_k_m', 'lapis-gemma-3-1b-it-q4_k_m'],
  ['file:My Gemma (1).gguf', 'lapis-My-Gemma-1'],
  ['file:../../etc/passwd', 'lapis-etc-passwd'],
  ['file:..\\..\\CON', 'lapis-CON'],
  ['file:\u202e\u0000', 'lapis-model'],
  ['...', 'lapis-model'],
  ['x'.repeat(500), `lapis-${'x'.repeat(80)}`],
])('a folder for %s is called %s', (id, name) => {
  expect(exportFolderName(id)).toBe(name);
});
