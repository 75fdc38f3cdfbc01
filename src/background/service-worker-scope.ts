/** The part of ServiceWorkerGlobalScope that the router uses: TypeScript cannot load its library beside the DOM's. */
export interface WindowClient {
  readonly url: string;
  postMessage(message: unknown, transfer: Transferable[]): void;
}

export interface PortMessageEvent extends Event {
  readonly data: unknown;
  readonly ports: readonly MessagePort[];
  waitUntil(work: Promise<unknown>): void;
}

interface ServiceWorkerScope {
  readonly clients: {
    matchAll(options: { includeUncontrolled: boolean; type: 'all' }): Promise<readonly WindowClient[]>;
  };
  addEventListener(type: 'message', listener: (event: PortMessageEvent) => void): void;
}

export const scope = globalThis as unknown as ServiceWorkerScope;
