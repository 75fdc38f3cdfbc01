import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { LapisError } from '../protocol/errors.ts';
import type { UrlOrigin } from './catalogue.ts';
import { CATALOGUE, GEMMA_TERMS } from './catalogue.ts';
import type { Fetch } from './http-range.ts';
import type { HubReference } from './hub.ts';
import { hubFile } from './hub.ts';
import { cleanName } from './names.ts';
import { urlFacts } from './url-facts.ts';

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

/** More than any address in use has. */
const LONGEST_TEXT = 2048;

const HUB_HOSTS = ['huggingface.co', 'www.huggingface.co', 'hf.co'];

/**
 * Finds a `.gguf` by what a person typed: `owner/repo/file`, `owner/repo@revision/file`, an address of such a file on the hub,
 * or any other address. Asks for its size and pin only.
 *
 * @throws LapisError `bad-request` for what names no file, `not-allowed` for a gated repository, `unsupported`, `network`,
 * `aborted`
 */
export async function resolveSource(text: string, options: ResolveOptions = {}): Promise<ResolvedSource> {
  const { fetch = globalThis.fetch.bind(globalThis), signal } = options;
  const reference = parseSource(text);
  if (reference instanceof URL) return plainUrl(reference, { fetch, signal });
  const { commit, path, bytes, sha256: pin } = await hubFile(reference, { fetch, signal });
  const repository = `${reference.owner}/${reference.repository}`;
  const url = `https://huggingface.co/${repository}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
  const known = CATALOGUE.find(({ origin }) => origin.kind === 'url' && origin.sha256 === pin);
  if (known?.origin.kind === 'url' && pin) {
    const { id, name, license } = known;
    return { id, name, bytes, license, origin: { kind: 'url', url, sha256: pin } };
  }
  const file = path.slice(path.lastIndexOf('/') + 1);
  return {
    id: `hub:${cleanName(`${repository}/${path}`)}@${commit.slice(0, 12)}`,
    name: cleanName(file.replace(/\.gguf$/i, '')),
    bytes,
    license: GEMMA_TERMS,
    origin: { kind: 'url', url, ...(pin && { sha256: pin }) },
  };
}

/** What a text names: a file or a repository of the hub, or another address. @throws LapisError `bad-request` */
export function parseSource(text: string): HubReference | URL {
  const typed = text.trim();
  if (typed.length === 0) throw wrong('Nothing was entered');
  if (typed.length > LONGEST_TEXT) throw wrong(`An address of ${typed.length} characters is too long`);
  const shown = `“${cleanName(typed)}”`;
  const bare = HUB_HOSTS.some((host) => typed.toLowerCase().startsWith(`${host}/`));
  if (bare || /^[a-z][a-z\d+.-]*:/i.test(typed)) {
    const address = bare ? `https://${typed}` : typed;
    if (!URL.canParse(address)) throw wrong(`${shown} is no address`);
    const url = new URL(address);
    if (url.protocol === 'http:') {
      throw wrong(`${shown} is not encrypted, so Lapis does not fetch it: use https://, or choose the file from disk`);
    }
    if (url.protocol !== 'https:') throw wrong(`${shown} does not begin with https://`);
    if (url.username || url.password) throw wrong('An address with a password in it is not accepted');
    url.hash = '';
    return HUB_HOSTS.includes(url.hostname) ? hubAddress(url, shown) : url;
  }
  const [, owner, repository, revision = 'main', path] =
    /^([^/@]+)\/([^/@]+)(?:@([^/]+))?(?:\/(.+))?$/.exec(typed) ?? [];
  return checkedReference({ owner, repository, revision, path }, shown);
}

/** `/owner/repo/(blob|resolve|raw)/REVISION/path`, or `/owner/repo`. */
function hubAddress(url: URL, shown: string): HubReference {
  let parts: string[];
  try {
    parts = url.pathname.split('/').filter(Boolean).map(decodeURIComponent);
  } catch (error) {
    throw new LapisError('bad-request', `${shown} is no address.`, { cause: error });
  }
  const [owner, repository, kind, revision = 'main', ...path] = parts;
  if (kind === undefined || kind === 'tree') return checkedReference({ owner, repository, revision }, shown);
  // `hf.co/owner/repo/file`: without the words that the hub's own addresses have.
  if (!['blob', 'resolve', 'raw'].includes(kind)) {
    return checkedReference({ owner, repository, revision: 'main', path: parts.slice(2).join('/') }, shown);
  }
  return checkedReference({ owner, repository, revision, path: path.join('/') || undefined }, shown);
}

function checkedReference(reference: HubReference, shown: string): HubReference {
  const { owner, repository, revision, path } = reference;
  const names = [owner, repository].every(
    (name) => name !== undefined && /^[\w.-]+$/.test(name) && !/^\.+$/.test(name),
  );
  const segments = path?.split('/') ?? [];
  const safe = segments.every((segment) => segment !== '' && !/^\.+$/.test(segment) && cleanName(segment) === segment);
  if (!names || !safe || !/^[\w./-]+$/.test(revision) || revision.includes('..')) {
    throw wrong(`${shown} is neither an address nor a file on the hub, which is written owner/repository/file.gguf`);
  }
  return reference;
}

async function plainUrl(url: URL, options: { fetch: Fetch; signal?: AbortSignal }): Promise<ResolvedSource> {
  const { bytes, lastModified } = await urlFacts(url.href, options);
  let file = url.pathname.slice(url.pathname.lastIndexOf('/') + 1);
  try {
    file = decodeURIComponent(file);
  } catch {
    // Then it is shown as it stands.
  }
  const name = cleanName(file.replace(/\.gguf$/i, '') || url.hostname);
  return {
    id: `url:${name}:${bytesToHex(sha256(utf8ToBytes(url.href))).slice(0, 12)}`,
    name,
    bytes,
    license: GEMMA_TERMS,
    origin: { kind: 'url', url: url.href, ...(lastModified && { lastModified }) },
  };
}

function wrong(what: string): LapisError {
  return new LapisError('bad-request', `${what}.`);
}
