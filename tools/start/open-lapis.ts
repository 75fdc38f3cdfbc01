import { LapisError } from '../../src/protocol/errors.ts';
import {
  type Browser,
  type ExtensionPage,
  type LaunchOptions,
  launchBrowser,
  manualSteps,
  NO_SANDBOX_MESSAGE,
} from '../browser/browser.ts';
import { type AdapterChoice, mayHaveGpu } from '../browser/switches.ts';

const SWIFTSHADER_NOTE = 'No GPU was found: the browser computes on the CPU with SwiftShader, which is slow.\n';

/**
 * What kind of adapter the page gets. The first requests of a starting browser may answer null, since its GPU process restarts.
 */
const PROBE = `(async () => {
  for (let attempt = 0; attempt < 8; attempt++) {
    const adapter = await navigator.gpu?.requestAdapter();
    if (adapter) return adapter.info.isFallbackAdapter || /swiftshader/i.test(adapter.info.architecture) ? 'software' : 'hardware';
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return 'none';
})()`;

/**
 * Starts a browser on a page of the extension: with a hardware adapter where there is one, else with SwiftShader, which a line
 * on stderr tells. Two lines there say how to load the extension by hand where the browser takes none from a program.
 */
export async function openLapis(
  options: Omit<LaunchOptions, 'adapter'>,
  path: string,
): Promise<{ browser: Browser; page: ExtensionPage }> {
  const attempt = async (adapter: AdapterChoice) => {
    const browser = await launch({ ...options, adapter });
    try {
      const page = await browser.openPage(path);
      return { browser, page, found: await page.evaluate<string>(PROBE) };
    } catch (error) {
      await browser.close();
      throw error;
    }
  };
  if (mayHaveGpu()) {
    const { browser, page, found } = await attempt('hardware');
    if (found === 'hardware') return { browser, page };
    if (found === 'software') {
      process.stderr.write(SWIFTSHADER_NOTE);
      return { browser, page };
    }
    await browser.close();
  }
  process.stderr.write(SWIFTSHADER_NOTE);
  return attempt('swiftshader');
}

/** A headless browser shows nothing but our own page, so it may run without the sandbox that some containers forbid. */
async function launch(options: LaunchOptions): Promise<Browser> {
  try {
    return await launchBrowser(options);
  } catch (error) {
    const { code, message } = LapisError.from(error);
    if (code === 'unsupported') process.stderr.write(`${manualSteps(options.extensionDir)}\n`);
    if (!options.headless || message !== NO_SANDBOX_MESSAGE) throw error;
    process.stderr.write(`${NO_SANDBOX_MESSAGE} It shows only Lapis and goes on without.\n`);
    return launchBrowser({ ...options, switches: [...(options.switches ?? []), '--no-sandbox'] });
  }
}
