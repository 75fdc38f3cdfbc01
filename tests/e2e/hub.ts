import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { selfSigned } from './self-signed.ts';

const HUB_HOST = 'huggingface.co';
/** Where the links of the hub lead: another host, of another domain, that keeps the bytes. */
const STORAGE_HOST = 'cas-bridge.xethub.hf.co';
/** A server that is no hub: it sends the bytes itself. */
export const PLAIN_HOST = 'files.lapis.example';

/** What `main` is, of every repository. */
export const COMMIT = '4f1c2a9d7e3b5068c2d4e6f80a1b3c5d7e9f0a2b';

/** What is served: bytes in memory, or the path of a file, which is never in memory as a whole. */
type Content = Uint8Array | string;

/** How one request for a file is answered. */
export interface Served {
  content: Content;
  /** Sent at once; 1 MiB when absent. */
  pieceBytes?: number;
  /** Between one piece and the next. */
  pauseMs?: number;
  /** Nothing more is sent once the file has been sent up to here, but the connection stays open; it goes on when `serve` says more. */
  stallAt?: number;
  /** The storage host's status instead of the file. */
  status?: number;
  /** The hub's own status instead of a link to the storage host. */
  hubStatus?: number;
  /** In seconds or as a date, with any status. */
  retryAfter?: string;
  /** Whether scripts of other origins may read Retry-After, ETag and Content-Range; false when absent, as with the real storage. */
  exposed?: boolean;
  /** The whole file from its start with status 200, whatever was asked for. */
  ignoresRange?: boolean;
  /** A page for people in place of the file, with status 200: a login, say. */
  page?: string;
}

/** A request as it came. */
export interface HubRequest {
  method: string;
  host: string;
  path: string;
  range?: string;
  origin?: string;
  /** Bytes of the body that the connection has taken. */
  sent: number;
}

interface HubFile {
  served: Served;
  /** Fires when the file is served in another way. */
  changed: AbortController;
}

export interface Hub {
  /** Switches for a browser that takes this server for all its hosts. */
  readonly browserArgs: string[];
  /** The requests so far, the latest last. */
  readonly requests: HubRequest[];
  /** Serves a URL from then on in this way: of the hub, `/owner/repo/resolve/revision/file`, or of the plain host. */
  serve(url: string, served: Served): void;
  /** Breaks every connection that a file is being sent on, without a word. What the browser has not read by then is lost to it. */
  cut(): void;
  /** Remembers the connections that a file is being sent on now; the returned function breaks those that are still open. */
  holdConnections(): () => void;
  /** Bytes of files that were sent since the last call. */
  takeSent(): number;
  close(): Promise<void>;
}

/**
 * A server that behaves as Hugging Face's hub does towards an extension: a link redirects to another host, both allow any origin but
 * the storage shows no headers, both honour a range and refuse a preflight. The browser finds it under the real names, over TLS, so
 * that the addresses and the content security policy are those of the product.
 */
export async function startHub(): Promise<Hub> {
  const files = new Map<string, HubFile>();
  const requests: HubRequest[] = [];
  const sending = new Set<ServerResponse>();
  const fileOf = (host: string, path: string) => files.get((host === PLAIN_HOST ? PLAIN_HOST : HUB_HOST) + path);

  const server = createServer(selfSigned(), (message, response) => {
    const { host = '', range, origin } = message.headers;
    const { pathname: path } = new URL(message.url ?? '/', `https://${host}`);
    const request: HubRequest = { method: message.method ?? '', host, path, range, origin, sent: 0 };
    requests.push(request);
    const allow = { 'access-control-allow-origin': host === HUB_HOST ? (origin ?? '*') : '*', vary: 'Origin' };
    const file = fileOf(host, path);
    if (request.method !== 'GET' && request.method !== 'HEAD') response.writeHead(403).end();
    else if (host === HUB_HOST && path.startsWith('/api/')) void answerApi(files, path, allow, response);
    else if (!file) response.writeHead(404, allow).end();
    else if (host === HUB_HOST) redirect(file.served, path, allow, response);
    else {
      sending.add(response);
      response.on('close', () => sending.delete(response));
      void send(file, request, message, response);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  let taken = 0;

  return {
    browserArgs: [
      `--host-resolver-rules=${[HUB_HOST, STORAGE_HOST, PLAIN_HOST].map((host) => `MAP ${host} ${address}`).join(',')}`,
      '--ignore-certificate-errors',
    ],
    requests,
    serve(url, served) {
      const { host, pathname } = new URL(url);
      const file = files.get(host + pathname) ?? { served, changed: new AbortController() };
      files.set(host + pathname, file);
      const { changed } = file;
      Object.assign(file, { served, changed: new AbortController() });
      changed.abort();
    },
    cut() {
      for (const response of sending) response.destroy();
    },
    holdConnections() {
      const held = [...sending];
      return () => {
        for (const response of held) response.destroy();
      };
    },
    takeSent() {
      const sum = requests.reduce((bytes, { sent }) => bytes + sent, 0);
      const fresh = sum - taken;
      taken = sum;
      return fresh;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function redirect(
  { hubStatus, retryAfter, exposed }: Served,
  path: string,
  allow: OutgoingHttpHeaders,
  response: ServerResponse,
): void {
  const shown = ['X-Repo-Commit', ...(exposed ? ['Retry-After'] : [])].join(',');
  const headers = { ...allow, 'access-control-expose-headers': shown };
  if (hubStatus) response.writeHead(hubStatus, { ...headers, ...(retryAfter && { 'retry-after': retryAfter }) }).end();
  else response.writeHead(302, { ...headers, location: `https://${STORAGE_HOST}${path}?signature=1` }).end();
}

async function send(
  file: HubFile,
  request: HubRequest,
  message: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { served } = file;
  const { content, pieceBytes = 1024 * 1024, pauseMs, status, retryAfter, page } = served;
  const headers: OutgoingHttpHeaders = {
    'access-control-allow-origin': '*',
    ...(served.exposed && { 'access-control-expose-headers': 'Retry-After,ETag,Content-Range' }),
    ...(retryAfter && { 'retry-after': retryAfter }),
  };
  if (status) {
    response.writeHead(status, headers).end();
    return;
  }
  if (page) {
    response.writeHead(200, { ...headers, 'content-type': 'text/html' }).end(page);
    return;
  }
  const size = sizeOf(content);
  const [, first, last] = (!served.ignoresRange && /^bytes=(\d+)-(\d*)$/.exec(request.range ?? '')) || [];
  const start = Number(first ?? 0);
  const end = Math.min(last ? Number(last) + 1 : size, size);
  if (start >= end) {
    response.writeHead(416, { ...headers, 'content-range': `bytes */${size}` }).end();
    return;
  }
  response.writeHead(first === undefined ? 200 : 206, {
    ...headers,
    etag: '"content"',
    'content-type': 'application/octet-stream',
    'content-length': end - start,
    ...(first !== undefined && { 'content-range': `bytes ${start}-${end - 1}/${size}` }),
  });
  if (message.method === 'HEAD') {
    response.end();
    return;
  }
  let position = start;
  for (;;) {
    const stop = Math.min(end, file.served.stallAt ?? end);
    for await (const piece of piecesOf(content, position, stop, pieceBytes)) {
      if (response.destroyed) return;
      await new Promise<void>((resolve) => response.write(piece, () => resolve()));
      if (!response.destroyed) request.sent += piece.length;
      if (pauseMs) await pause(pauseMs);
    }
    position = Math.max(position, stop);
    if (position === end) return void response.end();
    await changeOf(file.changed.signal);
  }
}

function changeOf(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
}

function sizeOf(content: Content): number {
  return typeof content === 'string' ? statSync(content).size : content.length;
}

async function* piecesOf(content: Content, start: number, end: number, pieceBytes: number): AsyncGenerator<Uint8Array> {
  if (start >= end) return;
  if (typeof content === 'string') yield* createReadStream(content, { start, end: end - 1, highWaterMark: pieceBytes });
  else for (let at = start; at < end; at += pieceBytes) yield content.subarray(at, Math.min(at + pieceBytes, end));
}

/**
 * What the hub says of a repository: `/api/models/OWNER/REPO` or `…/revision/REVISION` its commit and files, `…/tree/REVISION` the
 * files' sizes and SHA-256.
 */
async function answerApi(
  files: ReadonlyMap<string, HubFile>,
  path: string,
  allow: OutgoingHttpHeaders,
  response: ServerResponse,
): Promise<void> {
  const [, repository, kind = 'revision'] =
    /^\/api\/models\/([^/]+\/[^/]+)(?:\/(revision|tree)\/.*)?$/.exec(path) ?? [];
  const known: { path: string; content: Content }[] = [];
  for (const [address, { served }] of files) {
    const [, owner, file] = /^huggingface\.co\/([^/]+\/[^/]+)\/resolve\/[^/]+\/(.+)$/.exec(address) ?? [];
    if (owner === repository) known.push({ path: file, content: served.content });
  }
  if (known.length === 0) {
    response.writeHead(401, allow).end(JSON.stringify({ error: 'Invalid username or password.' }));
    return;
  }
  const siblings = known.map((file) => ({ rfilename: file.path }));
  const tree = known.map(async ({ path, content }) => {
    const oid = await sha256Of(content);
    const size = sizeOf(content);
    return { type: 'file', oid: COMMIT, size, path, lfs: { oid, size, pointerSize: 134 } };
  });
  const body = kind === 'tree' ? await Promise.all(tree) : { id: repository, sha: COMMIT, gated: false, siblings };
  response.writeHead(200, { ...allow, 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function sha256Of(content: Content): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of piecesOf(content, 0, sizeOf(content), 16 * 1024 * 1024)) hash.update(piece);
  return hash.digest('hex');
}
