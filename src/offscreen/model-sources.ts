import { LapisError } from '../protocol/errors.ts';
import type { FoundModel } from '../protocol/host.ts';
import type { CatalogueModel } from '../storage/catalogue.ts';
import type { DownloadableModel, ModelStore } from '../storage/model-store.ts';
import { resolveSource } from '../storage/sources.ts';
import type { Downloads } from './downloads.ts';

/**
 * Where models can be downloaded from: the pins of the catalogue, what the person has had looked up, what was deleted, and what is
 * on its way, which an earlier engine may have looked up.
 */
export class ModelSources {
  readonly #catalogue: readonly CatalogueModel[];
  readonly #store: Pick<ModelStore, 'offers'>;
  readonly #downloads: Pick<Downloads, 'model'>;
  readonly #found = new Map<string, DownloadableModel>();

  constructor(
    catalogue: readonly CatalogueModel[],
    store: Pick<ModelStore, 'offers'>,
    downloads: Pick<Downloads, 'model'>,
  ) {
    this.#catalogue = catalogue;
    this.#store = store;
    this.#downloads = downloads;
  }

  /**
   * Looks up a file by its address; nothing of it is downloaded.
   *
   * @throws LapisError what `resolveSource` throws
   */
  async find(text: string): Promise<FoundModel> {
    const model = await resolveSource(text);
    const { id, name, bytes, license, origin } = model;
    this.#found.set(id, model);
    return { modelId: id, name, bytes, url: origin.url, license, pinned: origin.sha256 !== undefined };
  }

  /** @throws LapisError `no-model` for what is neither on its way, in the catalogue, nor offered again nor found since the engine started */
  get(id: string): DownloadableModel {
    const begun = this.#downloads.model(id);
    if (begun) return begun;
    const named = (model: { id: string }) => model.id === id;
    const known = this.#catalogue.find(named) ?? this.#found.get(id) ?? this.#store.offers().find(named);
    if (known?.origin.kind === 'url') return { ...known, origin: known.origin };
    throw new LapisError('no-model', `There is no model ${id} to download.`);
  }
}
