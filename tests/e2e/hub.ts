import { generateKeyPairSync, sign } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** Where the links of the hub lead: another host, of another domain, that keeps the bytes. */
const STORAGE_HOST = 'cas-bridge.xethub.hf.co';
const HUB_HOST = 'huggingface.co';

/** How a file is served. */
export interface Served {
  bytes: Uint8Array;
  /** Sent at once; 4 MiB when absent. */
  pieceBytes?: number;
  /** Between one piece and the next. */
  pauseMs?: number;
  /** The connection is cut, without a word, once the file has been sent up to here. */
  cutAt?: number;
  /** The storage host's status instead of the file. */
  status?: number;
}

/** A request as it came. */
export interface HubRequest {
  method: string;
  host: string;
  range?: string;
  origin?: string;
}

export interface Hub {
  /** Switches for a browser that takes this server for both hosts. */
  readonly browserArgs: string[];
  /** The requests so far, the latest last. */
  readonly requests: HubRequest[];
  /** Serves a URL of the hub from then on in this way. */
  serve(url: string, served: Served): void;
  close(): Promise<void>;
}

/**
 * A server that behaves as Hugging Face's hub does towards an extension: a link redirects to another host, both allow any origin but
 * show no ETag, both honour a range and refuse a preflight. The browser finds it under the real names, over TLS, so that the addresses
 * and the content security policy are those of the product.
 */
export async function startHub(): Promise<Hub> {
  const files = new Map<string, Served>();
  const requests: HubRequest[] = [];

  const server = createServer(selfSigned(), (request, response) => {
    const { host = '', range, origin } = request.headers;
    const { pathname } = new URL(request.url ?? '/', `https://${host}`);
    requests.push({ method: request.method ?? '', host, range, origin });
    const served = files.get(pathname);
    if (request.method !== 'GET') response.writeHead(403).end();
    else if (!served) response.writeHead(404, { 'access-control-allow-origin': '*' }).end();
    else if (host === HUB_HOST) {
      response
        .writeHead(302, {
          location: `https://${STORAGE_HOST}${pathname}?signature=1`,
          'access-control-allow-origin': origin ?? '*',
          'access-control-expose-headers': 'X-Repo-Commit',
          vary: 'Origin',
        })
        .end();
    } else send(served, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    browserArgs: [
      `--host-resolver-rules=${[HUB_HOST, STORAGE_HOST].map((host) => `MAP ${host} ${address}`).join(',')}`,
      '--ignore-certificate-errors',
    ],
    requests,
    serve: (url, served) => void files.set(new URL(url).pathname, served),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function send(served: Served, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { bytes, pieceBytes = 4 * 1024 * 1024, pauseMs = 0, cutAt = Number.POSITIVE_INFINITY, status } = served;
  const allow = { 'access-control-allow-origin': '*' };
  if (status) {
    response.writeHead(status, allow).end();
    return;
  }
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
  const start = Number(first ?? 0);
  const end = Math.min(Number(last ?? bytes.length - 1) + 1, bytes.length);
  response.writeHead(first === undefined ? 200 : 206, {
    ...allow,
    etag: '"content"',
    'content-length': end - start,
    ...(first !== undefined && { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` }),
  });
  for (let at = start; at < end && !response.destroyed; at += pieceBytes) {
    if (at >= cutAt) {
      response.destroy();
      return;
    }
    const piece = bytes.subarray(at, Math.min(at + pieceBytes, end, cutAt));
    await new Promise<void>((resolve) => response.write(piece, () => resolve()));
    await pause(pauseMs);
  }
  response.end();
}

/** A key and a certificate of the least that TLS takes (RFC 5280, version 1), which no browser trusts unless it is told to. */
function selfSigned(): { key: string; cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const der = (tag: number, ...parts: Uint8Array[]): Buffer => {
    const body = Buffer.concat(parts);
    // In as few bytes as can be.
    const { length: size } = body;
    const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 255];
    return Buffer.concat([Buffer.from([tag, ...length]), body]);
  };
  const sequence = (...parts: Uint8Array[]) => der(0x30, ...parts);
  const utcTime = (text: string) => der(0x17, Buffer.from(text));
  // 1.2.840.10045.4.3.2, ecdsa-with-SHA256.
  const algorithm = sequence(der(6, Buffer.from('2a8648ce3d040302', 'hex')));
  // 2.5.4.3, the common name.
  const name = sequence(der(0x31, sequence(der(6, Buffer.from('550403', 'hex')), der(12, Buffer.from('test')))));
  const content = sequence(
    der(2, Buffer.from([1])),
    algorithm,
    name,
    sequence(utcTime('200101000000Z'), utcTime('491231000000Z')),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const signature = sign('sha256', content, privateKey);
  const certificate = sequence(content, algorithm, der(3, Buffer.from([0]), signature));
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${certificate.toString('base64')}\n-----END CERTIFICATE-----\n`,
  };
}
