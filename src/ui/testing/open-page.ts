import type { Browser, Page } from 'playwright-core';
import type { TestPages } from './build-pages.ts';
import { TEST_PAGES } from './build-pages.ts';
import type { FakeState } from './fake-host.ts';

export interface Scene extends FakeState {
  callers?: unknown[];
}

/** One test page in a context of its own, with all that went wrong in it. */
export interface OpenPage extends AsyncDisposable {
  page: Page;
  /** Errors thrown, errors logged and addresses asked for outside the test pages. */
  wrong: string[];
}

/** Opens popup.html or options.html of this folder in its first state. */
export async function openTestPage(
  browser: Browser,
  pages: TestPages,
  name: 'popup' | 'options',
  scene: Scene = {},
): Promise<OpenPage> {
  const viewport = name === 'popup' ? { width: 400, height: 580 } : { width: 1040, height: 900 };
  const context = await browser.newContext({ viewport, reducedMotion: 'reduce' });
  const wrong: string[] = [];
  await pages.serve(context, wrong);
  const page = await context.newPage();
  page.on('pageerror', (error) => wrong.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') wrong.push(message.text());
  });
  await page.goto(`${TEST_PAGES}/${name}.html#${encodeURIComponent(JSON.stringify(scene))}`);
  await page.locator(name === 'popup' ? '.condition' : '.facts').waitFor();
  return { page, wrong, [Symbol.asyncDispose]: () => context.close() };
}
