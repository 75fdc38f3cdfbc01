/*
 * A page without a face, src/ui/headless/index.html: `npm start -- --prompt` and the end-to-end tests drive it through CDP.
 *
 *   globalThis.lapis.host         a LapisHost, connected on first use
 *   globalThis.lapis.importFile() imports the file chosen in <input id="model"> (CDP DOM.setFileInputFiles); resolves to its ModelEntry
 *   globalThis.lapis.generate(request, onEvent?)
 *                                 runs one generation to its end; resolves to all its GenerateEvents
 *   globalThis.lapis.settle()     resolves to the status once no download, import or load is under way
 */

import type { GenerateEvent, GenerateRequest } from '../../protocol/generation.ts';
import type { HostStatus, ModelEntry } from '../../protocol/host.ts';
import type { HostClient } from '../../protocol/host-client.ts';
import { createHostClient } from '../../protocol/host-client.ts';

export interface Headless {
  host: HostClient;
  importFile(): Promise<ModelEntry>;
  generate(request: GenerateRequest, onEvent?: (event: GenerateEvent) => void): Promise<GenerateEvent[]>;
  settle(): Promise<HostStatus>;
}

const host = createHostClient();

const headless: Headless = {
  host,
  importFile() {
    const file = document.querySelector<HTMLInputElement>('#model')?.files?.[0];
    if (!file) throw new Error('No file is chosen.');
    return host.importModel(file);
  },
  async generate(request, onEvent) {
    const events: GenerateEvent[] = [];
    const reader = (await host.generate(request)).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return events;
      events.push(value);
      onEvent?.(value);
    }
  },
  async settle() {
    const reader = (await host.watchStatus()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new Error('The status ended.');
      if (value.activity.kind !== 'none') continue;
      await reader.cancel();
      return value;
    }
  },
};

Object.assign(globalThis, { lapis: headless });
