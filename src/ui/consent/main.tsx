import { render } from 'preact';
import { browser } from '../../protocol/browser.ts';
import type { ConsentAnswer, ConsentAsked } from '../../protocol/consent.ts';
import { CONSENT_PORT } from '../../protocol/consent.ts';
import { Consent } from './Consent.tsx';

/*
 * The question comes from the offscreen document and not from the page's address: whoever opens this page cannot make it ask
 * anything. The port's end, when the window closes without an answer, is the denial.
 */
const port = browser.runtime.connect(undefined, { name: CONSENT_PORT });

const answer = (allowed: boolean) => {
  port.postMessage({ allowed } satisfies ConsentAnswer);
  window.close();
};

const see = (id: string) => {
  browser.tabs.create({ url: `chrome://extensions/?id=${id}` });
};

const show = (asked: ConsentAsked) => {
  const app = document.querySelector('#app') as HTMLElement;
  render(<Consent question={asked.question} onAnswer={answer} onSee={see} />, app);
};
port.onMessage.addListener((message) => show(message as ConsentAsked));
// Without an offscreen document nobody is asking.
port.onDisconnect.addListener(() => show({}));
