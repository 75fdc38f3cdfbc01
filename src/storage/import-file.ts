import { openGguf } from '../model/gguf.ts';
import { GEMMA_TERMS } from './catalogue.ts';
import { chosenSource } from './chosen-file.ts';
import type { Environment } from './environment.ts';
import type { IngestOptions } from './ingest.ts';
import { cleanName } from './names.ts';
import type { ModelRecord } from './record.ts';
import { storeLocal } from './store-local.ts';

/** The id under which a file of that name is stored. */
export function fileId(name: string): string {
  return `file:${cleanName(name)}`;
}

/**
 * Stores a GGUF from disk, as `storeLocal` does; its header is read first, so a wrong file costs one sentence and no space.
 *
 * @throws LapisError `bad-request` when it cannot be read, `corrupt`, `not-gemma`, `unsupported`, `quota`, `aborted`
 */
export async function importFile(env: Environment, file: File, options: IngestOptions): Promise<ModelRecord> {
  const id = fileId(file.name);
  const source = chosenSource(file, `The file ${cleanName(file.name)}`);
  await openGguf(source, { id, signal: options.signal });
  const name = cleanName(file.name.replace(/\.gguf$/i, ''));
  const origin = { kind: 'file' as const, name: cleanName(file.name) };
  return storeLocal(env, { id, name, license: GEMMA_TERMS, origin }, source, options);
}
