import type { CDPSession, Page, Worker } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ContinuationText } from '../../src/page/continuation.ts';
import type { Headless } from '../../src/ui/headless/headless.ts';
import type { Lapis } from './harness.ts';
import { findChromium, launchLapis } from './harness.ts';

/* "Complete this text" in real pages, with the access that one click gives and no other. */

const SITE = 'https://writer.test';
const TEXT = 'The color of the sky is';

/** A page as strict as they come: no script but its own, no styles from elsewhere. */
const CSP = "default-src 'none'; script-src 'nonce-test'; frame-src *; require-trusted-types-for 'script'";

/** A text area as React controls it: the state is the truth, and a value that is set without an input event is put back. */
const CONTROLLED = `
  const area = document.querySelector('#controlled');
  let state = area.value, tracked = area.value;
  const native = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value');
  Object.defineProperty(area, 'value', {
    get() { return native.get.call(this); },
    set(value) { tracked = value; native.set.call(this, value); },
  });
  area.addEventListener('input', () => {
    const value = native.get.call(area);
    if (value === tracked) return;
    tracked = value;
    state = value;
    globalThis.renders = (globalThis.renders ?? 0) + 1;
    queueMicrotask(() => { if (native.get.call(area) !== state) area.value = state; });
  });
  globalThis.controlledState = () => state;`;

const PAGE = `<!doctype html><title>Writer</title>
  <textarea id="area" rows="4" cols="60"></textarea>
  <input id="line" size="60">
  <input id="short" maxlength="26">
  <div id="rich" contenteditable><p>First paragraph.</p><p id="last"></p></div>
  <textarea id="controlled"></textarea>
  <input id="password" type="password"><input id="shown" autocomplete="current-password">
  <input id="number" type="number"><textarea id="fixed" readonly>No.</textarea>
  <dialog id="dialog"><textarea id="in-dialog"></textarea></dialog>
  <div id="shadow"></div>
  <iframe id="same" src="/frame"></iframe><iframe id="other" src="https://elsewhere.test/frame"></iframe>
  <script nonce="test">${CONTROLLED}
    document.querySelector('#shadow').attachShadow({ mode: 'open' });
    const inner = document.createElement('textarea');
    inner.id = 'inner';
    document.querySelector('#shadow').shadowRoot.append(inner);
  </script>`;

const FRAME = '<!doctype html><textarea id="framed"></textarea>';

describe.skipIf(!findChromium())('Complete this text', { timeout: 180_000 }, () => {
  let lapis: Lapis;
  let headless: Page;
  let page: Page;
  let cdp: CDPSession;
  /** What the engine says on its own to the same prompt: what the field must get. */
  let answer: string;

  beforeAll(async () => {
    lapis = await launchLapis({ args: ['--enable-unsafe-extension-debugging'] });
    headless = await lapis.openHeadless();
    answer = await headless.evaluate(async (text) => {
      const { lapis } = globalThis as unknown as { lapis: Headless };
      const events = await lapis.generate({
        prompt: { kind: 'completion', text },
        maxTokens: 96,
        stop: ['\n'],
      });
      return events.map((event) => (event.type === 'text' ? event.text : '')).join('');
    }, TEXT);
    expect(answer).toMatch(/^ blue/);
    answer = new ContinuationText(TEXT, true).push(answer);
    await lapis.context.route(`${SITE}/**`, (route) =>
      route.fulfill({
        contentType: 'text/html',
        headers: { 'Content-Security-Policy': CSP },
        body: new URL(route.request().url()).pathname === '/frame' ? FRAME : PAGE,
      }),
    );
    await lapis.context.route('https://elsewhere.test/**', (route) =>
      route.fulfill({ contentType: 'text/html', body: FRAME }),
    );
    page = await lapis.context.newPage();
    await page.goto(SITE);
    cdp = await lapis.context.newCDPSession(page);
    await grantActiveTab();
  });
  afterAll(() => lapis?.close());

  /** What a click on the toolbar button or the menu gives; the popup that it opens is closed. */
  async function grantActiveTab(): Promise<void> {
    const browser = await lapis.context.browser()?.newBrowserCDPSession();
    if (!browser) throw new Error('This browser has no session of its own.');
    const { targetInfos } = await browser.send('Target.getTargets', { filter: [{ type: 'tab' }] });
    const tab = targetInfos.find(({ url }) => url.startsWith(SITE));
    const opened = lapis.context.waitForEvent('page', { timeout: 5_000 }).catch(() => undefined);
    await browser.send(
      'Extensions.triggerAction' as never,
      { id: lapis.extensionId, targetId: tab?.targetId } as never,
    );
    await (await opened)?.close();
    await page.bringToFront();
  }

  function serviceWorker(): Worker {
    const worker = lapis.context.serviceWorkers().find((candidate) => candidate.url().includes(lapis.extensionId));
    if (!worker) throw new Error('The service worker is not running.');
    return worker;
  }

  /** The menu itself belongs to the browser's window, out of reach: its event is sent as the browser sends it. */
  const clickMenu = (frameUrl?: string) =>
    serviceWorker().evaluate(
      async ([site, frameUrl]) => {
        const tab = (await chrome.tabs.query({})).find(({ url }) => url?.startsWith(site));
        if (!tab) throw new Error('There is no access to the page.');
        const event = chrome.contextMenus.onClicked as unknown as { dispatch(...args: unknown[]): void };
        // A frame's id is not known without the webNavigation permission: any but 0 is not the page's own.
        const frame = frameUrl ? { frameId: 99_999, frameUrl } : { frameId: 0 };
        event.dispatch({ menuItemId: 'complete-text', editable: true, ...frame }, tab);
      },
      [SITE, frameUrl] as [string, string | undefined],
    );

  /** The keyboard's way to the same, which knows nothing of frames. */
  const pressShortcut = () =>
    serviceWorker().evaluate(async (site) => {
      const tab = (await chrome.tabs.query({})).find(({ url }) => url?.startsWith(site));
      const event = chrome.commands.onCommand as unknown as { dispatch(...args: unknown[]): void };
      event.dispatch('complete-text', tab);
    }, SITE);

  /** What a screen reader finds in the card. */
  async function cardText(role: 'status' | 'alert' = 'status'): Promise<string> {
    const { nodes } = (await cdp.send('Accessibility.getFullAXTree')) as {
      nodes: { nodeId: string; role?: { value: string }; name?: { value: string }; childIds?: string[] }[];
    };
    const regions = nodes.filter((node) => node.role?.value === role);
    const texts = regions.flatMap(({ childIds = [] }) =>
      nodes.filter(({ nodeId }) => childIds.includes(nodeId)).map(({ name }) => name?.value ?? ''),
    );
    return texts.join('|');
  }

  /** Makes the next answer wait for its model: time to do something meanwhile. */
  const slowDown = () =>
    headless.evaluate(async () => {
      const { lapis } = globalThis as unknown as { lapis: Headless };
      // Where the last answer was stopped at once, its load may go on, or not have begun.
      await lapis.settle();
      await lapis.host.unloadModel();
    });

  const shows = (text: RegExp | string) => expect.poll(cardText, { timeout: 90_000 }).toMatch(text);
  const isGone = () => expect.poll(() => page.locator('lapis-card').count(), { timeout: 60_000 }).toBe(0);
  const undo = () => page.keyboard.press('Control+Z');

  async function fill(selector: string, text = TEXT): Promise<void> {
    await page.locator(selector).click();
    await page.keyboard.press('Control+A');
    await page.keyboard.press('Delete');
    await page.keyboard.type(text);
  }

  test('is offered on editable fields, and by a shortcut', async () => {
    const offered = await serviceWorker().evaluate(async () => {
      // Updating an item that is not there fails.
      await chrome.contextMenus.update('complete-text', { contexts: ['editable'] });
      // Chrome silently leaves out a shortcut that it needs itself.
      return (await chrome.commands.getAll()).find(({ name }) => name === 'complete-text')?.shortcut;
    });
    expect(offered).toBe('Alt+Shift+K');
  });

  test.each(['#area', '#line', '#controlled', '#inner'])(
    'writes at the caret of %s, and one undo takes it back',
    async (selector) => {
      await fill(selector);
      await clickMenu();
      const field = page.locator(selector);
      await expect.poll(() => field.inputValue(), { timeout: 90_000 }).toContain(`${TEXT}${answer.slice(0, 5)}`);
      await shows(/^\d+ tokens?/);
      expect((await field.inputValue()).startsWith(`${TEXT}${answer}`)).toBe(true);
      await isGone();
      await undo();
      expect(await field.inputValue()).toBe(TEXT);
    },
  );

  test('a framework that controls its field hears of every piece', async () => {
    await fill('#controlled');
    await clickMenu();
    await shows(/^\d+ tokens?/);
    const value = await page.locator('#controlled').inputValue();
    expect(value.length).toBeGreaterThan(TEXT.length);
    expect(await page.evaluate('controlledState()')).toBe(value);
    await isGone();
  });

  test('goes on in the paragraph of an editable region in which the caret is', async () => {
    await page.locator('#rich').evaluate((rich) => {
      const last = rich.querySelector('#last') as HTMLElement;
      last.textContent = 'The color of the sky is';
      (rich as HTMLElement).focus();
      getSelection()?.collapse(last.firstChild, 'The color of the sky is'.length);
    });
    await clickMenu();
    await shows(/^\d+ tokens?/);
    const text = await page.locator('#rich').textContent();
    expect(text?.startsWith('First paragraph.')).toBe(true);
    expect(text?.replace(/\u00a0/g, ' ')).toContain(`${TEXT}${answer.slice(0, 5)}`);
    await isGone();
    // A line break is a step of its own in an editable region.
    for (let step = 0; step < 10 && (await page.locator('#last').textContent()) !== TEXT; step++) await undo();
    expect(await page.locator('#last').textContent()).toBe(TEXT);
  });

  test('writes in the middle of a text, and over nothing that is selected', async () => {
    await fill('#area', `${TEXT} and the end`);
    await page.locator('#area').evaluate((area) => (area as HTMLTextAreaElement).setSelectionRange(4, 23));
    await clickMenu();
    await shows(/^\d+ tokens?/);
    const value = await page.locator('#area').inputValue();
    expect(value.startsWith(`${TEXT}${answer.slice(0, 5)}`)).toBe(true);
    expect(value.endsWith(' and the end')).toBe(true);
    await isGone();
  });

  test('says beside the text that its model is suspect', async () => {
    // In the card's own world, which the page does not see: as if the model had failed its probe.
    await serviceWorker().evaluate(async (site) => {
      const tab = (await chrome.tabs.query({})).find(({ url }) => url?.startsWith(site));
      const doubtAnswers = () => {
        const { connect } = chrome.runtime;
        chrome.runtime.connect = ((...args: Parameters<typeof connect>) => {
          const port = connect.apply(chrome.runtime, args);
          const add = port.onMessage.addListener.bind(port.onMessage);
          port.onMessage.addListener = (listener) =>
            add((event, from) => {
              const doubted = event.type === 'start' || event.type === 'end';
              listener(doubted ? { ...event, suspect: 'Its answers <b>may</b> be wrong.' } : event, from);
            });
          return port;
        }) as typeof connect;
      };
      await chrome.scripting.executeScript({ target: { tabId: tab!.id! }, func: doubtAnswers });
    }, SITE);
    await fill('#line');
    await clickMenu();
    await shows(/^\d+ tokens?/);
    // Longer than other last words: there is more to read.
    await page.waitForTimeout(3_000);
    expect(await cardText('alert')).toBe('This model is suspect. Its answers <b>may</b> be wrong.');
    if (process.env.LAPIS_PICTURES) await page.screenshot({ path: `${process.env.LAPIS_PICTURES}/card-suspect.png` });
    await page.keyboard.press('Escape');
    await isGone();
    await page.reload();
  });

  test('Escape stops it, before the page hears of the key', async () => {
    await page.evaluate("globalThis.keys = []; addEventListener('keydown', (event) => keys.push(event.key))");
    await fill('#area');
    await page.evaluate('keys.length = 0');
    await slowDown();
    await clickMenu();
    await page.locator('lapis-card').waitFor({ state: 'attached' });
    await page.keyboard.press('Escape');
    await shows('Stopped');
    const value = await page.locator('#area').inputValue();
    await page.waitForTimeout(500);
    expect(await page.locator('#area').inputValue()).toBe(value);
    expect(await page.evaluate('keys')).toEqual([]);
    await page.keyboard.press('Escape');
    await isGone();
  });

  test('stops when the person goes on writing', async () => {
    await fill('#area');
    await slowDown();
    await clickMenu();
    await page.locator('lapis-card').waitFor({ state: 'attached' });
    await page.keyboard.type('!');
    await shows('you went on writing');
    await page.keyboard.press('Escape');
    await isGone();
  });

  test('stops when the field loses the focus, and writes nothing elsewhere', async () => {
    await fill('#line', '');
    await fill('#area');
    await slowDown();
    await clickMenu();
    await page.locator('lapis-card').waitFor({ state: 'attached' });
    await page.locator('#line').focus();
    await shows('you left the field');
    expect(await page.locator('#line').inputValue()).toBe('');
    await page.keyboard.press('Escape');
    await isGone();
  });

  test('fills a field with a maximum length up to it', async () => {
    await fill('#short');
    await clickMenu();
    await shows(/The field is full|tokens?/);
    expect((await page.locator('#short').inputValue()).length).toBeLessThanOrEqual(26);
    await page.keyboard.press('Escape');
    await isGone();
  });

  test.each([
    ['#password', 'neither reads nor writes password fields'],
    ['#shown', 'neither reads nor writes fields for passwords'],
    ['#number', 'a field for something else \\(number\\)'],
    ['#fixed', 'This field cannot be changed'],
  ])('leaves %s alone and says why', async (selector, sentence) => {
    const before = await page.locator(selector).inputValue();
    await page.locator(selector).focus();
    await clickMenu();
    await shows(new RegExp(sentence));
    expect(await page.locator(selector).inputValue()).toBe(before);
    await page.keyboard.press('Escape');
    await isGone();
  });

  test('asks for words when there are none', async () => {
    await fill('#area', '');
    await clickMenu();
    await shows('Write a few words first');
    await page.keyboard.press('Escape');
    await isGone();
  });

  test('works in a modal dialog, and Escape leaves that open', async () => {
    await page.evaluate("document.querySelector('#dialog').showModal()");
    await fill('#in-dialog');
    await clickMenu();
    await expect
      .poll(() => page.locator('#in-dialog').inputValue(), { timeout: 90_000 })
      .toContain(`${TEXT}${answer.slice(0, 5)}`);
    await page.keyboard.press('Escape');
    await isGone();
    expect(await page.evaluate("document.querySelector('#dialog').open")).toBe(true);
    await page.evaluate("document.querySelector('#dialog').close()");
  });

  test('writes by the shortcut in a frame of the same origin, and says why not in a foreign one', async () => {
    const framed = page.frameLocator('#same').locator('#framed');
    await framed.click();
    await page.keyboard.type(TEXT);
    await pressShortcut();
    await expect.poll(() => framed.inputValue(), { timeout: 90_000 }).toContain(`${TEXT}${answer.slice(0, 5)}`);
    await page.reload();

    await page.frameLocator('#other').locator('#framed').click();
    await clickMenu('https://elsewhere.test/frame');
    await shows('a frame from elsewhere.test');
    expect(await page.frameLocator('#other').locator('#framed').inputValue()).toBe('');
  });

  test('goes with its page', async () => {
    await fill('#area');
    await clickMenu();
    await page.locator('lapis-card').waitFor({ state: 'attached' });
    await page.reload();
    expect(await page.locator('lapis-card').count()).toBe(0);
  });
});
