import { LapisError } from '../protocol/errors.ts';
import type { UrlOrigin } from './catalogue.ts';
import type { Fetch } from './download.ts';

/** A file that can be downloaded, with what is known of it before a byte of it has come. */
export interface ResolvedSource {
  /** A catalogue id when the content is a catalogue model's; `hub:…` or `url:…` otherwise. */
  id: string;
  name: string;
  bytes: number;
  license: { name: string; url: string };
  /** The address names the revision; `sha256` is there when the source gave it. */
  origin: UrlOrigin;
}

export interface ResolveOptions {
  fetch?: Fetch;
  signal?: AbortSignal;
}

/**
 * Finds a `.gguf` by what a person typed: `owner/repo/file`, `owner/repo@revision/file`, an address of such a file on the hub, or
 * any other address. Asks for its size and pin only.
 *
 * @throws LapisError `bad-request` for what names no file, `not-allowed` for a gated repository, `unsupported`, `network`, `aborted`
 */
export async function resolveSource(text: string, _options: ResolveOptions = {}): Promise<ResolvedSource> {
  throw new LapisError('unsupported', `${text} cannot be looked up yet.`);
}
