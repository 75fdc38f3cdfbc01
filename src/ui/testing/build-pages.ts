import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BrowserContext } from 'playwright-core';
import { build } from 'vite';

const HERE = dirname(fileURLToPath(import.meta.url));

const MIME: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

/** As strict as the extension's own policy, and without HTML from strings: a use of innerHTML throws. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'";

/** Where the test pages are to be found in a context that serves them; nothing listens there. */
export const TEST_PAGES = 'https://lapis.test/src/ui/testing';

/** The built test pages. */
export interface TestPages {
  /** Answers the context's requests under TEST_PAGES; every other address fails and is put into `strays`. */
  serve(context: BrowserContext, strays: string[]): Promise<void>;
  remove(): Promise<void>;
}

/** Builds popup.html and options.html of this folder into a temporary one. */
export async function buildTestPages(): Promise<TestPages> {
  const outDir = await mkdtemp(join(tmpdir(), 'lapis-pages-'));
  await build({
    configFile: false,
    root: join(HERE, '../../..'),
    publicDir: false,
    logLevel: 'error',
    build: {
      outDir,
      target: 'chrome124',
      modulePreload: { polyfill: false },
      rolldownOptions: { input: ['popup', 'options'].map((name) => join(HERE, `${name}.html`)) },
    },
  });
  return {
    async serve(context, strays) {
      await context.route('**/*', async (route) => {
        const url = new URL(route.request().url());
        if (url.host !== 'lapis.test') {
          strays.push(url.href);
          return route.abort();
        }
        const body = await readFile(join(outDir, url.pathname)).catch(() => undefined);
        if (!body) return route.fulfill({ status: 404 });
        return route.fulfill({
          body,
          headers: {
            'content-type': MIME[extname(url.pathname)] ?? 'application/octet-stream',
            'content-security-policy': POLICY,
          },
        });
      });
    },
    remove: () => rm(outDir, { recursive: true, force: true }),
  };
}
