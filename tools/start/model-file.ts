import { createWriteStream, existsSync } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { LapisError } from '../../src/protocol/errors.ts';
import { cacheDir } from './cache-dir.ts';

/** How often a download says how far it is. */
const REPORT_MS = 2000;

/** The `--model FILE_OR_URL` as a file: a download is kept in the user's cache under its name. */
export async function modelFile(model: string, signal: AbortSignal): Promise<string> {
  if (/^https?:\/\//i.test(model)) return download(new URL(model), signal);
  const stats = await stat(model).catch(() => undefined);
  if (!stats) throw new LapisError('bad-request', `There is no model at ${model}.`);
  if (!stats.isFile()) throw new LapisError('bad-request', `${model} is a folder: the browser takes a .gguf file.`);
  return resolve(model);
}

async function download(url: URL, signal: AbortSignal): Promise<string> {
  const name = basename(url.pathname).replace(/[^\w.-]/g, '_') || 'model.gguf';
  const file = join(await cacheDir('models'), name);
  if (existsSync(file)) {
    process.stderr.write(`Using ${file}, downloaded before.\n`);
    return file;
  }
  const failed = (cause: unknown) => {
    if (signal.aborted) return new LapisError('aborted', 'The download was cancelled.');
    const { message, cause: reason } = cause as Error;
    const detail = reason instanceof Error ? reason.message : message;
    return new LapisError('network', `${url.href} could not be downloaded: ${detail}`, { cause });
  };
  const response = await fetch(url, { signal }).catch((error) => {
    throw failed(error);
  });
  if (!response.ok || !response.body) {
    throw new LapisError('network', `${url.href} could not be downloaded: the server answered ${response.status}.`);
  }
  const total = Number(response.headers.get('content-length'));
  const part = `${file}.${process.pid}.part`;
  try {
    await pipeline(Readable.fromWeb(response.body as never), progress(name, total), createWriteStream(part), {
      signal,
    });
    if (total > 0 && (await stat(part)).size !== total) throw new Error('the connection ended early');
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    throw failed(error);
  }
  return file;
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
