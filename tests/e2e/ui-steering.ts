import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import type { DownloadState, HostStatus } from '../../src/protocol/host.ts';
import type { FakeHost } from '../../src/ui/testing/fake-host.ts';

/* How the tests of the pages steer the pretended host inside, and what they ask of any page. */

/** What a test page puts on its window. */
export interface Steered {
  page: { host: FakeHost; platform: { settingsOpened: number } };
}

/** The arguments of each call of this method, in order. */
export const calls = (page: Page, name: string): Promise<unknown[][]> =>
  page.evaluate(
    (name) =>
      (globalThis as never as Steered).page.host.calls.filter((call) => call.name === name).map(({ args }) => args),
    name,
  );

export const say = (page: Page, text: string) =>
  page.evaluate((text) => (globalThis as never as Steered).page.host.say(text), text);

export const finish = (page: Page) => page.evaluate(() => (globalThis as never as Steered).page.host.finish());

export const setStatus = (page: Page, change: Partial<HostStatus>) =>
  page.evaluate((change) => (globalThis as never as Steered).page.host.setStatus(change), change);

export const setDownload = (page: Page, id: string, change: Partial<DownloadState>) =>
  page.evaluate(([id, change]) => (globalThis as never as Steered).page.host.setDownload(id, change), [
    id,
    change,
  ] as const);

export const finishDownload = (page: Page, id: string) =>
  page.evaluate((id) => (globalThis as never as Steered).page.host.finishDownload(id), id);

/** Keeps what is copied where a test can read it: a browser without a window has no clipboard to share. */
export async function catchCopies(page: Page): Promise<() => Promise<string>> {
  await page.evaluate(() => {
    navigator.clipboard.writeText = async (text) => {
      Object.assign(globalThis, { copiedText: text });
    };
  });
  return () => page.evaluate(() => (globalThis as never as { copiedText: string }).copiedText);
}

const axeSource = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** The violations that axe finds, in a form that says what to do. */
export async function violations(page: Page, rules?: string[]): Promise<string[]> {
  // Through the debugger, which the page's policy does not bind.
  await page.evaluate(await readFile(axeSource, 'utf8'));
  return page.evaluate(async (rules) => {
    const { axe } = globalThis as never as { axe: typeof import('axe-core') };
    const { violations } = await axe.run(rules ? { runOnly: rules } : {});
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`);
  }, rules);
}
