import { LapisError } from '../protocol/errors.ts';
import type { UrlOrigin } from './catalogue.ts';
import type { Environment } from './environment.ts';
import { WrongReply } from './http-range.ts';
import type { IngestOptions } from './ingest.ts';
import type { ModelRecord } from './record.ts';
import { directoryOf, isVerbatim, LAYOUT_VERSION, RECORD_FILE, readRecord } from './record.ts';
import { makeWhole, SourceNeeded } from './repair.ts';

/** What is stored of a model that may not be served as it is, and is not deleted either. */
export interface WaitingModel extends Pick<ModelRecord, 'id' | 'name' | 'license'> {
  /** That are stored. */
  bytes: number;
  /** Where it came from, if it was downloaded. */
  url?: string;
  /** Why, and what to do, in a sentence. */
  reason: string;
  /** It needs nothing from the person, so that `ModelStore.renew` may do what failed before. */
  renewable?: true;
}

/** Whether an error says that nothing will become of what is stored. */
export function isUseless(error: LapisError): boolean {
  return !(error instanceof WrongReply) && ['corrupt', 'stale', 'unsupported', 'not-gemma'].includes(error.code);
}

/** Whether all that is not the publisher's bytes can be made anew, by `makeWhole`. */
export function isRenewable(record: ModelRecord): boolean {
  return isVerbatim(record) && record.layout === LAYOUT_VERSION;
}

/** Under which version a model is stored, and which one this Lapis reads. */
export function versions(record: ModelRecord, { recipe }: Environment): string {
  return record.layout === LAYOUT_VERSION
    ? `weights version ${record.schemaVersion}, and this Lapis reads version ${recipe.schemaVersion}`
    : `storage layout ${record.layout}, and this Lapis reads layout ${LAYOUT_VERSION}`;
}

/** What a model waits for that could not be made anew. Undefined when nothing will become of it. */
export function waitingFor(env: Environment, record: ModelRecord, error: LapisError): WaitingModel | undefined {
  const { id, name, license, bytes, origin } = record;
  const was = `The stored copy of ${name} was made under ${versions(record, env)}`;
  const waiting = { id, name, license, bytes, ...(origin.kind === 'url' && { url: origin.url }) };
  if (error instanceof SourceNeeded) {
    return { ...waiting, reason: `${was}. A part of it is damaged, so it cannot be made anew: ${error.message}` };
  }
  if (isUseless(error)) return undefined;
  const reason = `${was}. It could not be made anew (${error.message}): that is tried again when you use it, or when Lapis starts.`;
  return { ...waiting, reason, renewable: true };
}

/**
 * Makes anew what is stored of a file that is asked for, in the place of a download. Undefined when another file is stored, or
 * none, or when nothing will become of it.
 *
 * @throws LapisError what `makeWhole` throws that may pass; what was stored stays
 */
export async function renewStored(
  env: Environment,
  { id, bytes, origin: { url, sha256 } }: Pick<ModelRecord, 'id' | 'bytes'> & { origin: UrlOrigin },
  options: IngestOptions,
): Promise<ModelRecord | undefined> {
  const stored = await readRecord(env.files, directoryOf(id), RECORD_FILE);
  if (!stored || stored === 'damaged' || !isRenewable(stored) || stored.bytes !== bytes) return undefined;
  const same = sha256 ? stored.sha256 === sha256 : stored.origin.kind === 'url' && stored.origin.url === url;
  if (!same) return undefined;
  try {
    return await makeWhole(env, stored, options);
  } catch (error) {
    if (isUseless(LapisError.from(error))) return undefined;
    throw error;
  }
}
