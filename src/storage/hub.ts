import * as v from 'valibot';
import { LapisError } from '../protocol/errors.ts';
import type { Fetch } from './http-range.ts';
import { answerWithin } from './url-facts.ts';

/*
 * Hugging Face's public API, by plain GETs: the commit that a revision is, and the files of a folder with their sizes; of a
 * file in its large-file storage, as weights are, the SHA-256 too. Source: the API's OpenAPI description and huggingface.js'
 * `modelInfo` and `listFiles`.
 */

/** A file on the hub as somebody named it. */
export interface HubReference {
  owner: string;
  repository: string;
  /** A branch, a tag or a commit. */
  revision: string;
  /** Absent when only the repository was named. */
  path?: string;
}

const API = 'https://huggingface.co/api/models';

/** A folder is listed in pages of 1,000; no model's has more than one. */
const MOST_PAGES = 10;

/** So many names of files that are there help the person; more do not. */
const NAMED_FILES = 8;

const info = v.object({
  sha: v.pipe(v.string(), v.regex(/^[0-9a-f]{40}$/)),
  gated: v.optional(v.union([v.boolean(), v.string()]), false),
  siblings: v.optional(v.array(v.object({ rfilename: v.string() })), []),
});

const listing = v.array(
  v.object({
    type: v.string(),
    path: v.string(),
    size: v.optional(v.number(), 0),
    lfs: v.optional(v.object({ oid: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)), size: v.number() })),
  }),
);

/** What pins a file on the hub. */
export interface HubFile {
  commit: string;
  path: string;
  bytes: number;
  /** Absent for a file that is not in the large-file storage. */
  sha256?: string;
}

/**
 * Looks a file up.
 *
 * @throws LapisError `bad-request` when there is no such repository, revision or `.gguf`, naming those that are there;
 * `not-allowed` when it is gated; `unsupported` for one part of a split file; `network`, `aborted`
 */
export async function hubFile(
  { owner, repository, revision, path }: HubReference,
  options: { fetch: Fetch; signal?: AbortSignal },
): Promise<HubFile> {
  const name = `${owner}/${repository}`;
  const found = await getJson(`${API}/${name}/revision/${encodeURIComponent(revision)}`, info, options);
  if ('status' in found) {
    // The hub does not tell strangers whether a repository is private or absent.
    throw [401, 403, 404].includes(found.status)
      ? new LapisError('bad-request', `There is no public repository ${name} with a revision ${revision} on the hub.`)
      : new LapisError('network', `The hub could not be asked about ${name}: it answered with status ${found.status}.`);
  }
  const { sha: commit, gated, siblings } = found.value;
  const models = siblings.map(({ rfilename }) => rfilename).filter((file) => /\.gguf$/i.test(file));
  if (!path) throw new LapisError('bad-request', `${name} is a repository: name one of its files. ${named(models)}`);
  if (!/\.gguf$/i.test(path)) throw new LapisError('bad-request', `${path} is no .gguf file. ${named(models)}`);
  if (gated) {
    throw new LapisError(
      'not-allowed',
      `${name} is gated: its owner wants you to sign in and accept terms. Download the file in a tab and choose it from disk.`,
    );
  }
  if (/-\d{5}-of-\d{5}\.gguf$/i.test(path)) {
    throw new LapisError('unsupported', `${path} is one part of a split file, which is not supported.`);
  }
  const entry = await entryOf(name, commit, path, options);
  if (!entry) throw new LapisError('bad-request', `There is no ${path} in ${name}. ${named(models)}`);
  const bytes = entry.lfs?.size ?? entry.size;
  return { commit, path, bytes, ...(entry.lfs && { sha256: entry.lfs.oid }) };
}

async function entryOf(
  name: string,
  commit: string,
  path: string,
  options: { fetch: Fetch; signal?: AbortSignal },
): Promise<v.InferOutput<typeof listing>[number] | undefined> {
  const folder = path.split('/').slice(0, -1).map(encodeURIComponent);
  let next: string | undefined = [`${API}/${name}/tree/${commit}`, ...folder].join('/');
  for (let page = 0; next && page < MOST_PAGES; page++) {
    const found: Answer<v.InferOutput<typeof listing>> = await getJson(next, listing, options);
    if ('status' in found) {
      if (found.status === 404) return undefined;
      throw new LapisError('network', `The hub could not list ${name}: it answered with status ${found.status}.`);
    }
    const entry = found.value.find((candidate) => candidate.path === path && candidate.type === 'file');
    if (entry) return entry;
    next = found.next;
  }
  return undefined;
}

type Answer<T> = { value: T; next?: string } | { status: number };

async function getJson<T extends v.GenericSchema>(
  url: string,
  schema: T,
  options: { fetch: Fetch; signal?: AbortSignal },
): Promise<Answer<v.InferOutput<T>>> {
  return answerWithin(url, {}, options, async (response) => {
    if (!response.ok) return { status: response.status };
    const text = await response.text();
    try {
      const next = /<(https:\/\/huggingface\.co\/[^>]+)>;\s*rel="next"/.exec(response.headers.get('link') ?? '')?.[1];
      return { value: v.parse(schema, JSON.parse(text)), next };
    } catch (error) {
      throw new LapisError('network', 'The hub answered with something that it was not asked for.', { cause: error });
    }
  });
}

function named(models: readonly string[]): string {
  if (models.length === 0) return 'It has no .gguf files.';
  const more = models.length > NAMED_FILES ? ` and ${models.length - NAMED_FILES} more` : '';
  return `Its .gguf files: ${models.slice(0, NAMED_FILES).join(', ')}${more}.`;
}
