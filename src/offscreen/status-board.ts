import { WEIGHTS_SCHEMA_VERSION } from '../model/schema-version.ts';
import type { HostStatus } from '../protocol/host.ts';
import { Feed } from './feed.ts';

/** The status that pages watch. A reader who is behind gets the latest only. */
export class StatusBoard {
  readonly #feed = new Feed<HostStatus>((_, next) => next);
  #status: HostStatus;

  constructor(selectedModelId: string) {
    this.#status = {
      softwareAdapter: false,
      selectedModelId,
      activity: { kind: 'none' },
      downloads: [],
      models: 0,
      notices: [],
      gpuBytes: 0,
      schemaVersion: WEIGHTS_SCHEMA_VERSION,
    };
  }

  get current(): HostStatus {
    return this.#status;
  }

  /** Changes some fields; `undefined` removes one. */
  update(change: Partial<HostStatus>): void {
    this.#status = { ...this.#status, ...change };
    this.#feed.publish(this.#status);
  }

  watch(): ReadableStream<HostStatus> {
    return this.#feed.watch(this.#status);
  }
}
