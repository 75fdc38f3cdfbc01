import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lapis } from './harness.ts';
import { findChromium, launchLapis } from './harness.ts';
import { openToolbarPopup } from './toolbar-popup.ts';

/** Random weights: its answers mean nothing, but they come one token after another and do not end soon. */
const RANDOM_MODEL = fileURLToPath(new URL('../goldens/reference/small-Q8_0.gguf', import.meta.url));

const ANSWER = `(document.querySelector('.answer .markdown')?.textContent ?? '').trim()`;
const CONDITION = `document.querySelector('.condition')?.textContent`;

describe.skipIf(!findChromium())('the toolbar popup of the installed extension', () => {
  let lapis: Lapis;

  beforeAll(async () => {
    // Headless Chromium's own screen is too small for the popup.
    lapis = await launchLapis({ args: ['--screen-info={1600x1200}', '--window-size=1400,1000'] });
  });
  afterAll(() => lapis?.close());

  test('the demo model says that the sky is blue', async () => {
    const popup = await openToolbarPopup(lapis);
    await popup.until(`${CONDITION} === 'Ready'`);
    await popup.type('What color is the sky?');
    await popup.press('Enter');
    await popup.until(`document.querySelector('.timings') !== null`);
    expect(await popup.evaluate(ANSWER)).toMatch(/\bblue\b/i);
    await popup.until(`document.querySelector('[aria-label="New chat"]:enabled')?.click() === undefined`);
    await popup.until(`document.querySelector('.answer') === null`);
    await popup.close();
  });

  test('loads a file from disk, and an answer goes on while the popup is closed', async () => {
    const settings = await lapis.openPage('src/ui/options/index.html');
    await settings.locator('.facts').waitFor();
    await settings.locator('input[type=file]').setInputFiles(RANDOM_MODEL);
    await settings.locator('.card.chosen', { hasText: 'In use' }).filter({ hasText: 'small-Q8_0' }).waitFor();
    await settings.getByLabel('Temperature').fill('0');
    await settings.getByText('Saved').waitFor();

    let popup = await openToolbarPopup(lapis);
    expect(await popup.evaluate('[innerWidth, innerHeight]')).toEqual([400, 580]);
    await popup.until(`document.activeElement.localName === 'textarea'`);
    await popup.type('Go on.');
    await popup.press('Enter');
    await popup.until(`${ANSWER} !== ''`);
    await popup.type('half a thought');
    const before = await popup.evaluate<string>(ANSWER);
    await popup.close();

    popup = await openToolbarPopup(lapis);
    await popup.until(`${ANSWER}.length > ${before.length}`);
    expect((await popup.evaluate<string>(ANSWER)).startsWith(before)).toBe(true);
    expect(await popup.evaluate(CONDITION)).toBe('Answering…');
    expect(await popup.evaluate(`document.querySelector('textarea').value`)).toBe('half a thought');

    // Escape ends the answer and not, as it otherwise would, the popup.
    await popup.press('Escape');
    await popup.until(`${CONDITION} === 'Ready'`);
    expect(await popup.isOpen()).toBe(true);
    await popup.close();
    await settings.close();
  });
});
