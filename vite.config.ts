import { existsSync } from 'node:fs';
import type { CrxPlugin } from '@crxjs/vite-plugin';
import { crx } from '@crxjs/vite-plugin';
import { defineConfig } from 'vite';
import manifest from './manifest.json' with { type: 'json' };

/** Pages that the manifest does not name, so that crxjs would not build them. */
const PAGES = ['src/offscreen/offscreen.html', 'src/ui/headless/index.html', 'src/ui/consent/index.html'];

/**
 * crxjs lists the script that is injected on a click as web-accessible, which injection does not need: any site could ask for it and so
 * find out who has Lapis.
 */
const nothingWebAccessible: CrxPlugin = {
  name: 'lapis:nothing-web-accessible',
  enforce: 'post',
  renderCrxManifest({ web_accessible_resources: _, ...rest }) {
    return rest;
  },
};

export default defineConfig({
  // Icons, _locales and the packaged demo model are shipped as they are.
  publicDir: 'extension',
  plugins: [crx({ manifest }), nothingWebAccessible],
  build: {
    target: 'chrome124',
    rolldownOptions: { input: PAGES.filter((page) => existsSync(page)) },
  },
  worker: { format: 'es' },
});
