import { expect, test } from 'vitest';
import { openShallow } from '../../tests/gpu/shallow-model.ts';
import { loadModel } from '../../tools/load-model.ts';
import { gpuBytesNeeded } from './memory.ts';

test('a model takes about as much GPU memory as was said before it was loaded', { timeout: 120_000 }, async () => {
  // As on an ordinary GPU, which is what is counted for.
  const source = await openShallow();
  // Its file has more layers than it is shown with.
  const used = source.tensors.filter(
    ({ name }) => Number(/^blk\.(\d+)/.exec(name)?.[1] ?? 0) < source.config.layerCount,
  );
  const weightBytes = used.reduce((sum, { bytes }) => sum + bytes, 0);
  const { model, close } = await loadModel(source, { chunk: 256, naive: false });
  try {
    const share = gpuBytesNeeded(source.config, weightBytes) / model.gpuBytes;
    expect(share).toBeGreaterThan(0.9);
    expect(share).toBeLessThanOrEqual(1.05);
  } finally {
    close();
  }
});
