import { render } from 'preact';
import { createHostClient } from '../../protocol/host-client.ts';
import { createHostState } from '../host/host-state.ts';
import { extensionPlatform } from '../platform/extension.ts';
import { Popup } from './Popup.tsx';

const state = createHostState(createHostClient(), { chat: true });
render(<Popup state={state} platform={extensionPlatform()} />, document.querySelector('#app')!);
