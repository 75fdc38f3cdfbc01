import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{src,tools,tests}/**/*.test.ts'],
    // Each GPU test file owns a Dawn device on SwiftShader, which uses every core: two files at a time at most.
    maxWorkers: 2,
    // A hang must end, and a busy machine must not fail: SwiftShader shares two cores with whatever else runs.
    testTimeout: process.env.LAPIS_LONG === '1' ? 1_800_000 : 240_000,
    hookTimeout: 240_000,
  },
});
