/*
 * Takes the README's pictures of the popup from the built extension, so that they show what a person gets, speed included:
 *
 *   npm run build && npx tsx tools/screenshots.ts [--model FILE.gguf] [--ask TEXT]...
 *
 * Without --model the packaged demo model answers.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { launchLapis } from '../tests/e2e/harness.ts';

const { values } = parseArgs({
  options: { model: { type: 'string' }, ask: { type: 'string', multiple: true } },
});
const questions = values.ask ?? ['What color is the sky?', 'What is the capital of France?', 'Count from one to ten.'];

const lapis = await launchLapis();
try {
  if (values.model) {
    const settings = await lapis.openPage('src/ui/options/index.html');
    await settings.locator('.facts').waitFor();
    await settings.locator('input[type=file]').setInputFiles(values.model);
    await settings.locator('.card.chosen .badge.strong').waitFor({ timeout: 300_000 });
    await settings.close();
  }
  const popup = await lapis.openPage('src/ui/popup/index.html');
  const cdp = await lapis.context.newCDPSession(popup);
  await popup.setViewportSize({ width: 400, height: 580 });
  for (const [index, question] of questions.entries()) {
    await popup.getByRole('textbox').fill(question);
    await popup.keyboard.press('Enter');
    // The times appear once the answer is complete.
    await popup.locator('.timings').nth(index).waitFor({ timeout: 300_000 });
  }
  // A notice about the machine that took the picture is not what the picture is about.
  for (const dismiss of await popup.getByRole('button', { name: 'Dismiss' }).all()) await dismiss.click();
  await mkdir(new URL('../docs/', import.meta.url), { recursive: true });
  for (const [colorScheme, name] of [
    ['light', 'popup.png'],
    ['dark', 'popup-dark.png'],
  ] as const) {
    await popup.emulateMedia({ colorScheme });
    // Colours change over a moment.
    await popup.waitForTimeout(400);
    const clip = { x: 0, y: 0, width: 400, height: 580, scale: 2 };
    const { data } = await cdp.send('Page.captureScreenshot', { clip });
    await writeFile(new URL(`../docs/${name}`, import.meta.url), data, 'base64');
  }
} finally {
  await lapis.close();
}
