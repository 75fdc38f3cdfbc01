import type { DoorPort } from '../door.ts';

/**
 * Two ends of a runtime port as Chrome makes them, for tests: JSON only, delivery in order and later, the other end hears a
 * disconnect after all messages. A listener added after the disconnect hears of it at once.
 */
export function portPair(name: string): [client: DoorPort, server: DoorPort] {
  const ends = [makeEnd(), makeEnd()];
  let open = true;
  const port = (own: End, peer: End): DoorPort => ({
    name,
    postMessage(message) {
      if (!open) throw new Error('Attempting to use a disconnected port object');
      const json = JSON.stringify(message);
      queueMicrotask(() => {
        for (const listener of [...peer.messages]) listener(JSON.parse(json));
      });
    },
    disconnect() {
      if (!open) return;
      open = false;
      own.closed = true;
      queueMicrotask(() => {
        peer.closed = true;
        for (const listener of [...peer.disconnects]) listener();
      });
    },
    onMessage: {
      addListener: (listener) => void own.messages.add(listener),
      removeListener: (listener) => void own.messages.delete(listener),
    },
    onDisconnect: {
      addListener(listener) {
        own.disconnects.add(listener);
        if (own.closed) listener();
      },
      removeListener: (listener) => void own.disconnects.delete(listener),
    },
  });
  return [port(ends[0], ends[1]), port(ends[1], ends[0])];
}

interface End {
  messages: Set<(message: unknown) => void>;
  disconnects: Set<() => void>;
  closed: boolean;
}

function makeEnd(): End {
  return { messages: new Set(), disconnects: new Set(), closed: false };
}
