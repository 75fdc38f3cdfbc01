import { cacheDir } from './cache-dir.ts';
import { openLapis } from './open-lapis.ts';

/** Opens a browser window with Lapis in a profile of its own and stays until the window or `signal` ends it. */
export async function openWindow({
  executable,
  extensionDir,
  signal,
}: {
  executable: string;
  extensionDir: string;
  signal: AbortSignal;
}): Promise<void> {
  const options = { executable, extensionDir, profileDir: await cacheDir('profile'), headless: false };
  const { browser, page } = await openLapis(options, 'src/ui/popup/index.html');
  await page.focus();
  process.stderr.write('Lapis is open: chat in the window. Close the window or press Ctrl-C here to end.\n');
  const interrupted = () => void browser.close();
  signal.addEventListener('abort', interrupted);
  if (signal.aborted) interrupted();
  await browser.ended;
}

/** Whether a window can be shown. */
export function hasDisplay(): boolean {
  if (process.platform !== 'linux') return true;
  return Boolean(process.env.DISPLAY || process.env.WAYLAND_DISPLAY);
}
