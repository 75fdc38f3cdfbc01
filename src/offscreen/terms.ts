import { LapisError } from '../protocol/errors.ts';
import type { KeyValue } from './key-value.ts';

/** Under which the addresses of the accepted terms are kept. */
const ACCEPTED_TERMS_KEY = 'accepted-terms';

/** Which terms of use the person has accepted. */
export class Terms {
  readonly #keyValue: KeyValue;
  #written: Promise<unknown> = Promise.resolve();

  constructor(keyValue: KeyValue) {
    this.#keyValue = keyValue;
  }

  /** @param url where the terms stand, a model's `license.url` */
  async accept(url: string): Promise<void> {
    const writing = this.#written.then(async () => {
      const accepted = await this.accepted();
      if (!accepted.includes(url)) await this.#keyValue.set(ACCEPTED_TERMS_KEY, [...accepted, url]);
    });
    // The next acceptance adds to this one.
    this.#written = writing.catch(() => {});
    await writing;
  }

  async accepted(): Promise<string[]> {
    return (await this.#keyValue.get<string[]>(ACCEPTED_TERMS_KEY)) ?? [];
  }

  /** @throws LapisError `not-allowed` when the model's terms have not been accepted */
  async require({ name, license }: { name: string; license: { name: string; url: string } }): Promise<void> {
    if ((await this.accepted()).includes(license.url)) return;
    throw new LapisError(
      'not-allowed',
      `${name} is under the ${license.name} (${license.url}): read and accept them in the settings before the download.`,
    );
  }
}
