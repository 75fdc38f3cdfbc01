import { LapisError } from '../protocol/errors.ts';
import type { ModelEntry, StoredModelDetails } from '../protocol/host.ts';
import type { CatalogueModel } from '../storage/catalogue.ts';
import type { ModelStore } from '../storage/model-store.ts';
import type { ModelRecord } from '../storage/record.ts';
import type { WaitingModel } from '../storage/renew.ts';

export type Summary = NonNullable<ModelRecord['summary']>;

export interface ModelEntriesOptions {
  store: Pick<ModelStore, 'record' | 'records' | 'offers' | 'waiting'>;
  catalogue: readonly CatalogueModel[];
  /** Bytes of GPU memory that a model takes at the default context length. */
  gpuBytes: (summary: Summary) => number;
}

/** What pages read about the models: those of the catalogue, the others that are stored, those that wait for their file, and those that were. */
export class ModelEntries {
  readonly #options: ModelEntriesOptions;
  /** By the hash of the manifest: counting takes longer than a list should. */
  readonly #gpuBytes = new Map<string, number>();

  constructor(options: ModelEntriesOptions) {
    this.#options = options;
  }

  list(): ModelEntry[] {
    const { store, catalogue } = this.#options;
    const ids = new Set(catalogue.map(({ id }) => id));
    const others = store.records().filter(({ id }) => !ids.has(id));
    const offers = store.offers().filter(({ id }) => !ids.has(id));
    const waiting = store.waiting().filter(({ id }) => !ids.has(id));
    return [
      ...catalogue.map((model) => this.#ofCatalogue(model)),
      ...others.map((record) => this.#ofRecord(record)),
      ...waiting.map(ofWaiting),
      ...offers.map(({ origin, ...model }): ModelEntry => ({ ...model, stored: false, url: origin.url, purged: true })),
    ];
  }

  /** @throws LapisError `no-model` */
  get(id: string): ModelEntry {
    const entry = this.list().find((candidate) => candidate.id === id);
    if (!entry) throw new LapisError('no-model', `The model ${id} is unknown.`);
    return entry;
  }

  #ofCatalogue(model: CatalogueModel): ModelEntry {
    const { id, name, license, note, origin } = model;
    const record = this.#options.store.record(id);
    const waiting = this.#options.store.waiting().find((candidate) => candidate.id === id);
    const unstored = () => (waiting ? ofWaiting(waiting) : { bytes: model.bytes, stored: origin.kind === 'package' });
    return {
      ...(record ? this.#ofRecord(record) : unstored()),
      id,
      name,
      ...(origin.kind === 'url' && { url: origin.url }),
      license,
      note,
    };
  }

  #ofRecord(record: ModelRecord): ModelEntry {
    const { id, name, bytes, license, origin, probe } = record;
    const failed = probe && probe.outcome !== 'passed' ? probe.outcome.failed : undefined;
    return {
      id,
      name,
      bytes,
      stored: true,
      ...(origin.kind === 'url' && { url: origin.url }),
      license,
      details: this.#details(record),
      ...(failed !== undefined && { suspect: failed }),
    };
  }

  #details(record: ModelRecord): StoredModelDetails | undefined {
    const { summary, shards, manifestSha256 = '', schemaVersion, lastUsedAt, sha256, origin } = record;
    if (!summary) return undefined;
    let gpuBytes = this.#gpuBytes.get(manifestSha256);
    if (gpuBytes === undefined) {
      gpuBytes = this.#options.gpuBytes(summary);
      this.#gpuBytes.set(manifestSha256, gpuBytes);
    }
    return {
      parameters: summary.parameters,
      types: summary.types,
      diskBytes: shards.reduce((sum, { bytes }) => sum + bytes, 0),
      gpuBytes,
      lastUsedAt,
      schemaVersion,
      source: sourceText(origin),
      sha256,
    };
  }
}

function ofWaiting({ reason, ...model }: WaitingModel): ModelEntry {
  return { ...model, stored: false, waiting: reason };
}

function sourceText(origin: ModelRecord['origin']): string {
  if (origin.kind === 'url') return origin.url;
  return origin.kind === 'package' ? "the extension's package" : origin.name;
}
