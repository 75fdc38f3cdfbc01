import { render } from 'preact';
import { openConsents } from '../../protocol/consent.ts';
import { createHostClient } from '../../protocol/host-client.ts';
import { createHostState } from '../host/host-state.ts';
import { extensionPlatform } from '../platform/extension.ts';
import { Options } from './Options.tsx';

const state = createHostState(createHostClient(), { chat: false });
const app = document.querySelector('#app')!;
render(<Options state={state} platform={extensionPlatform()} consents={openConsents()} />, app);
