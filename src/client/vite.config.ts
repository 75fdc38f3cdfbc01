import { resolve } from 'node:path';
import { defineConfig } from 'vite';

/** Builds the client library as one file without dependencies: `npm run build:client`. */
export default defineConfig({
  root: import.meta.dirname,
  publicDir: false,
  build: {
    target: 'chrome116',
    outDir: resolve(import.meta.dirname, '../../build/client'),
    emptyOutDir: true,
    minify: false,
    lib: { entry: 'index.ts', formats: ['es'], fileName: () => 'lapis-client.js' },
  },
});
