import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { LapisError } from '../../src/protocol/errors.ts';
import { cacheDir } from './cache-dir.ts';

/** How often a download says how far it is. */
const REPORT_MS = 2000;

/** The `--model FILE_OR_URL` as a file: a download is kept in the user's cache, one file for each URL, under its own name. */
export async function modelFile(model: string, signal: AbortSignal): Promise<string> {
  if (/^https?:/i.test(model)) {
    if (!URL.canParse(model)) throw new LapisError('bad-request', `${model} is no URL.`);
    return download(new URL(model), signal);
  }
  const stats = await stat(model).catch(() => undefined);
  if (!stats) throw new LapisError('bad-request', `There is no model at ${model}.`);
  if (!stats.isFile()) throw new LapisError('bad-request', `${model} is a folder: the browser takes a .gguf file.`);
  return resolve(model);
}

async function download(url: URL, signal: AbortSignal): Promise<string> {
  const name = basename(url.pathname).replace(/[^\w.-]/g, '_') || 'model.gguf';
  // Many URLs end alike, and the name is what the model is called.
  const key = createHash('sha256').update(url.href).digest('hex').slice(0, 16);
  const file = join(await cacheDir(join('models', key)), name);
  if (existsSync(file)) {
    process.stderr.write(`Using ${file}, downloaded before.\n`);
    return file;
  }
  const part = `${file}.${process.pid}.part`;
  try {
    await fetchInto(part, url, name, signal);
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    if (signal.aborted) throw new LapisError('aborted', 'The download was cancelled.');
    const reason = reasonOf(error);
    throw new LapisError('network', `${url.href} could not be downloaded: ${reason}.`, { cause: error });
  }
  return file;
}

/** Writes what the URL gives into a file. Throws when it is not all of it, or not the beginning of a model. */
async function fetchInto(file: string, url: URL, name: string, signal: AbortSignal): Promise<void> {
  // A length in compressed bytes could not be compared.
  const response = await fetch(url, { signal, headers: { 'accept-encoding': 'identity' } });
  if (!response.ok || !response.body) throw new Error(`the server answered ${response.status}`);
  const total = Number(response.headers.get('content-length'));
  await pipeline(Readable.fromWeb(response.body as never), progress(name, total), createWriteStream(file), { signal });
  const { size } = await stat(file);
  if (total > 0 && size !== total) throw new Error(`the connection ended after ${size} of ${total} bytes`);
  // A sign-in page or an error in disguise must not be taken for the model ever after.
  const magic = await createReadStream(file, { end: 3, encoding: 'latin1' }).toArray();
  if (magic.join('') !== 'GGUF') throw new Error('what came is not a GGUF file');
}

/** What went wrong underneath: fetch itself says no more than "fetch failed". */
function reasonOf(error: unknown): string {
  const { cause, message, code } = error as NodeJS.ErrnoException;
  if (cause instanceof Error) return reasonOf(cause);
  return (message || code || String(error)).replace(/\.$/, '');
}

function progress(name: string, total: number): Transform {
  let done = 0;
  let reported = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, next) {
      done += chunk.length;
      if (Date.now() - reported > REPORT_MS) {
        reported = Date.now();
        const share = total > 0 ? ` of ${Math.ceil(total / 1e6)}` : '';
        process.stderr.write(`Downloading ${name}: ${Math.floor(done / 1e6)}${share} MB\n`);
      }
      next(null, chunk);
    },
  });
}
