import type { BrowserContext, CDPSession } from 'playwright-core';
import type { Lapis } from './harness.ts';

/** The toolbar popup itself. Playwright does not list it among its pages, so it is driven through the debugger. */
export interface ToolbarPopup {
  /** The value of an expression in the popup. */
  evaluate<T>(expression: string): Promise<T>;
  /** Waits until an expression in the popup is true. */
  until(expression: string): Promise<void>;
  type(text: string): Promise<void>;
  press(key: 'Enter' | 'Escape'): Promise<void>;
  isOpen(): Promise<boolean>;
  close(): Promise<void>;
}

const KEY_CODES = { Enter: 13, Escape: 27 };

/** Opens the popup as a click on the toolbar button does. */
export async function openToolbarPopup(lapis: Lapis): Promise<ToolbarPopup> {
  const worker = lapis.context.serviceWorkers()[0] ?? (await lapis.context.waitForEvent('serviceworker'));
  const find = async () => (await lapis.targets()).find(({ url }) => url.endsWith('/src/ui/popup/index.html'));
  await worker.evaluate(() => chrome.action.openPopup());
  const targetId = await poll(async () => (await find())?.targetId, 'The popup did not open.');
  const { cdp, send } = await attach(lapis.context, targetId);

  const evaluate = async <T>(expression: string) => {
    const { result } = await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    return (result as { value: T }).value;
  };
  return {
    evaluate,
    until: async (expression) => {
      await poll(() => evaluate<boolean>(expression), `This did not become true in the popup: ${expression}`);
    },
    async type(text) {
      await send('Input.insertText', { text });
    },
    async press(key) {
      for (const type of ['rawKeyDown', 'keyUp']) {
        await send('Input.dispatchKeyEvent', { type, key, code: key, windowsVirtualKeyCode: KEY_CODES[key] });
      }
    },
    isOpen: async () => (await find()) !== undefined,
    async close() {
      await cdp.send('Target.closeTarget', { targetId });
      await poll(async () => (await find()) === undefined, 'The popup did not close.');
    },
  };
}

async function attach(context: BrowserContext, targetId: string) {
  const cdp: CDPSession = await context.newCDPSession(context.pages()[0] ?? (await context.newPage()));
  const { sessionId } = await cdp.send('Target.attachToTarget', { targetId, flatten: false });
  const waiting = new Map<number, (result: Record<string, unknown>) => void>();
  cdp.on('Target.receivedMessageFromTarget', (event) => {
    const { id, result } = JSON.parse(event.message);
    if (event.sessionId === sessionId) waiting.get(id)?.(result);
  });
  let lastId = 0;
  const send = async (method: string, params: object): Promise<Record<string, unknown>> => {
    lastId += 1;
    const id = lastId;
    const answered = new Promise<Record<string, unknown>>((resolve) => waiting.set(id, resolve));
    await cdp.send('Target.sendMessageToTarget', { sessionId, message: JSON.stringify({ id, method, params }) });
    return answered;
  };
  return { cdp, send };
}

async function poll<T>(ask: () => Promise<T | undefined | false>, failure: string): Promise<T> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const value = await ask();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(failure);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
