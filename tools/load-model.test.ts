import { afterEach, expect, test, vi } from 'vitest';
import { GpuDevice } from '../src/gpu/device.ts';
import { smallModel } from '../src/gpu/testing/small-model.ts';
import { loadModel } from './load-model.ts';

afterEach(() => vi.restoreAllMocks());

test('a GPU whose fast kernels are wrong is named on stderr, and its features are those of the kernels in use', async () => {
  vi.spyOn(GpuDevice.prototype, 'read').mockResolvedValueOnce(new ArrayBuffer(4 * 3 * 70));
  const said: unknown[] = [];
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(text) > 0);
  const { device, close } = await loadModel(smallModel(), { contextTokens: 16, naive: false });
  try {
    const notice = said.filter((text) => /known-answer test/.test(String(text)));
    expect(notice).toEqual([
      expect.stringMatching(
        /^This GPU's fast kernels failed their known-answer test \(.+\); slower, safer ones are used\.\n$/,
      ),
    ]);
    expect([...device.device.features]).toContain('subgroups');
    expect(device.featuresInUse).not.toContain('subgroups');
  } finally {
    close();
  }
}, 60_000);
