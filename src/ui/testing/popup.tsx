import { render } from 'preact';
import { createHostState } from '../host/host-state.ts';
import { markdownWriter } from '../markdown/renderer.ts';
import { Popup } from '../popup/Popup.tsx';
import { fakeHost } from './fake-host.ts';
import { fakePlatform } from './fake-platform.ts';

/*
 * The popup around a pretended host. A test gives the first state as JSON in the address's hash and goes on through
 * globalThis.page.
 */
const initial = location.hash ? JSON.parse(decodeURIComponent(location.hash.slice(1))) : {};
const host = fakeHost(initial);
const platform = fakePlatform();
render(<Popup state={createHostState(host, { chat: true })} platform={platform} />, document.querySelector('#app')!);

Object.assign(globalThis, { page: { host, platform, markdownWriter } });
