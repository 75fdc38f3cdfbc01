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

/**
 * Sends ranges of a file and breaks connections. A client loses what has arrived but was not read when the break comes, so the
 * break waits until the test says that the client `reached` it.
 */
export function breakable(file: Uint8Array): {
  upTo: (cut: number) => Answer;
  reached: (position: number) => void;
} {
  let open: { cut: number; response: ServerResponse } | undefined;
  return {
    upTo: (cut) => (request, response) => {
      const { start, end } = rangeOf(request, file.length);
      response.writeHead(206, { 'content-length': end - start });
      response.write(file.subarray(start, cut));
      open = { cut, response };
    },
    reached(position) {
      if (!open || position < open.cut) return;
      open.response.destroy();
      open = undefined;
    },
  };
}
