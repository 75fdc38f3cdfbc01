import { cp, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CATALOGUE } from '../../src/storage/catalogue.ts';
import { DIST } from './harness.ts';

/** A downloadable model of the catalogue. */
export interface Pin {
  id: string;
  name: string;
  url: string;
  license: { name: string; url: string };
  bytes: number;
  sha256: string;
}

export function pin(id: string): Pin {
  const model = CATALOGUE.find((candidate) => candidate.id === id);
  if (model?.origin.kind !== 'url' || !model.origin.sha256) throw new Error(`${id} is no pinned download.`);
  const { name, license, bytes, origin } = model;
  return { id, name, license, bytes, url: origin.url, sha256: model.origin.sha256 };
}

/**
 * The built extension in a folder of its own, with its addresses and its policy, but with the sizes and hashes of its pins exchanged
 * for those of other files.
 */
export async function repinned(
  pins: readonly (readonly [Pin, { bytes: number; sha256: string }])[],
  extensionDir = process.env.LAPIS_DIST ?? DIST,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lapis-pins-'));
  await cp(extensionDir, folder, { recursive: true });
  let found = 0;
  for (const file of await readdir(join(folder, 'assets'))) {
    const path = join(folder, 'assets', file);
    const script = file.endsWith('.js') ? await readFile(path, 'utf8') : '';
    if (!pins.every(([{ sha256 }]) => script.includes(sha256))) continue;
    const changed = pins.reduce((text, [{ bytes, sha256 }, content]) => {
      const parts = text.replace(sha256, content.sha256).split(`bytes:${bytes},`);
      if (parts.length !== 2) throw new Error(`The size ${bytes} does not stand in ${file} once.`);
      return parts.join(`bytes:${content.bytes},`);
    }, script);
    await writeFile(path, changed);
    found++;
  }
  if (found !== 1) throw new Error(`The pins stand in ${found} scripts of the extension instead of one.`);
  return folder;
}
