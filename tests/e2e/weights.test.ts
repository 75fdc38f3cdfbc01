import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Manifest } from '../../src/model/manifest.ts';
import type { Headless } from '../../src/ui/headless/headless.ts';
import { DIST, findChromium, launchLapis } from './harness.ts';

/* That the answers come from the weights: the same extension with other weights, packaged honestly, says something else. */

declare const lapis: Headless;

describe.skipIf(!findChromium())('the packaged weights', { timeout: 180_000 }, () => {
  let profileDir: string;
  let zeroed: string;

  beforeAll(async () => {
    profileDir = await mkdtemp(join(tmpdir(), 'lapis-profile-'));
    zeroed = await mkdtemp(join(tmpdir(), 'lapis-zeroed-'));
    await cp(process.env.LAPIS_DIST ?? DIST, zeroed, { recursive: true });
    const folder = join(zeroed, 'models/demo');
    const manifest: Manifest = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8'));
    for (const shard of manifest.shards) {
      const zeros = Buffer.alloc(shard.bytes);
      await writeFile(join(folder, shard.file), zeros);
      shard.sha256 = createHash('sha256').update(zeros).digest('hex');
    }
    await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
  });
  afterAll(async () => {
    await rm(profileDir, { recursive: true, force: true });
    await rm(zeroed, { recursive: true, force: true });
  });

  const answer = async (extensionDir?: string): Promise<string> => {
    const browser = await launchLapis({ extensionDir, profileDir });
    try {
      const page = await browser.openHeadless();
      const last = await page.evaluate(async () => {
        const prompt = { kind: 'completion' as const, text: 'The color of the sky is' };
        return (await lapis.generate({ prompt, maxTokens: 4 })).at(-1);
      });
      return last?.type === 'end' ? last.text : JSON.stringify(last);
    } finally {
      await browser.close();
    }
  };

  test('make the answer: zeroed, they no longer know the sky; and an update of the package replaces the stored copy', async () => {
    expect(await answer()).toMatch(/^ blue\b/);
    expect(await answer(zeroed)).not.toMatch(/blue/);
    expect(await answer()).toMatch(/^ blue\b/);
  });
});
