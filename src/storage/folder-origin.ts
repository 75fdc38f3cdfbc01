import * as v from 'valibot';
import type { UrlOrigin } from './catalogue.ts';
import { fileIn } from './folder-handle.ts';
import type { ModelRecord } from './record.ts';
import { parseSource } from './sources.ts';

/** Beside the manifest of an exported folder: where the whole file was published, and its hash. */
export const ORIGIN_FILE = 'origin.json';

export type PinnedOrigin = UrlOrigin & { sha256: string };

/** No address that is accepted comes near. */
const MOST_BYTES = 16 * 1024;

const schema = v.object({ url: v.string(), sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)) });

/** The file's content; undefined for a model that is nowhere published. */
export function originFileOf({ origin, sha256 }: ModelRecord): Uint8Array<ArrayBuffer> | undefined {
  if (origin.kind !== 'url' || !sha256) return undefined;
  return new TextEncoder().encode(`${JSON.stringify({ url: origin.url, sha256 })}\n`);
}

/**
 * Where a folder says that its model was published. Anybody may have written that: only an address that a person could have had
 * looked up is taken, over https, and it counts only for bytes that have the hash.
 */
export async function originIn(directory: FileSystemDirectoryHandle): Promise<PinnedOrigin | undefined> {
  const file = await fileIn(directory, ORIGIN_FILE);
  if (!file || file.size > MOST_BYTES) return undefined;
  try {
    const { url, sha256 } = v.parse(schema, JSON.parse(await file.text()));
    parseSource(url);
    const address = new URL(url);
    address.hash = '';
    return address.protocol === 'https:' ? { kind: 'url', url: address.href, sha256 } : undefined;
  } catch {
    // Without it the folder is as good as before.
    return undefined;
  }
}
