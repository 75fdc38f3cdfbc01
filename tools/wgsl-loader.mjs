import { register } from 'node:module';

/* `node --import ./tools/wgsl-loader.mjs` reads `import text from './x.wgsl?raw'` as Vite does: the file's text. */
register('./wgsl-hooks.mjs', import.meta.url);
