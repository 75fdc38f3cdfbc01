import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from 'vitest';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const servers: ReturnType<typeof createServer>[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A server on the loopback that answers in this way until the test ends; the address of a model on it. */
export async function serve(answer: Answer): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.gguf`;
}

/** The range that a request asks for, from a file's start where it asks for none. */
export function rangeOf({ headers }: IncomingMessage, size: number): { start: number; end: number } {
  const [, start = '0', last = ''] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
  return { start: Number(start), end: last === '' ? size : Math.min(Number(last) + 1, size) };
}

/** Answers as a file server should. */
export function sendRange(file: Uint8Array, request: IncomingMessage, response: ServerResponse): void {
  const { start, end } = rangeOf(request, file.length);
  if (start >= file.length) {
    response.writeHead(416).end();
    return;
  }
  response.writeHead(206, {
    'content-range': `bytes ${start}-${end - 1}/${file.length}`,
    'content-length': end - start,
  });
  response.end(file.subarray(start, end));
}

/** Sends a range up to byte `cut` of the file and breaks the connection there, when all of it is on its way. */
export function sendUpTo(cut: number, file: Uint8Array, request: IncomingMessage, response: ServerResponse): void {
  const { start, end } = rangeOf(request, file.length);
  response.writeHead(206, { 'content-length': end - start });
  response.write(file.subarray(start, cut), () => response.destroy());
}
