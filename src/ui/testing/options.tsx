import { render } from 'preact';
import type { ConsentRecord } from '../../protocol/consent.ts';
import { openConsents } from '../../protocol/consent.ts';
import { createHostState } from '../host/host-state.ts';
import { Options } from '../options/Options.tsx';
import { fakeHost } from './fake-host.ts';
import { fakePlatform } from './fake-platform.ts';

/* The settings page around a pretended host; see popup.tsx beside it. The hash may also hold `callers`, a list of ConsentRecord. */
const initial = location.hash.startsWith('#%7B') ? JSON.parse(decodeURIComponent(location.hash.slice(1))) : {};
const host = fakeHost(initial);
const platform = fakePlatform();
const records = new Map<string, ConsentRecord>(initial.callers?.map((record: ConsentRecord) => [record.id, record]));
const consents = openConsents({
  get: async (id) => records.get(id),
  update: async (id, updater) => void records.set(id, updater(records.get(id))),
  delete: async (id) => void records.delete(id),
  all: async () => [...records.values()],
});
const state = createHostState(host, { chat: false });
render(<Options state={state} platform={platform} consents={consents} />, document.querySelector('#app')!);

Object.assign(globalThis, { page: { host, platform } });
