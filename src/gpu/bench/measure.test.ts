import { expect, test } from 'vitest';
import { loadModel } from '../../../tools/load-model.ts';
import { FakeModel } from '../../engine/testing/fake-model.ts';
import { LapisError } from '../../protocol/errors.ts';
import { smallModel } from '../testing/small-model.ts';
import { costOfToken, measureModel, median, timeDecoding } from './measure.ts';

const OPTIONS = { promptTokens: 5, decodeTokens: 7, context: 3, runs: 2, floorBytes: 2 ** 24 };

test('a measurement has every figure, tells how far it is, and leaves a slot as good as new when it is cut off', async () => {
  const source = smallModel();
  const loaded = await loadModel(source, { contextTokens: 64, slotCount: 2 });
  const { model } = loaded;
  try {
    const measured = { id: source.id, tensors: source.tensors, ...loaded };
    const slots = [model.openSlot()!, model.openSlot()!];
    const progress: number[] = [];
    let total = 0;
    let began = 0;
    let warmed = 0;
    const result = await measureModel(measured, {
      ...OPTIONS,
      warmUpMs: 1000,
      slots,
      signal: new AbortController().signal,
      onProgress(done, of) {
        if (progress.length === 0) began = performance.now();
        if (done <= of / 3) warmed = performance.now();
        progress.push(done);
        total = of;
      },
    });
    expect(warmed - began).toBeGreaterThan(900);
    // Two slots with a context and a prompt each, and the steps that both take; one run to warm up.
    expect(total).toBe(3 * (2 * (3 + 5) + 7));
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    expect(progress.at(-1)).toBe(total);
    for (const figure of [
      result.prefillTokensPerSecond,
      result.decodeTokensPerSecond,
      result.interTokenMs.p50,
      result.firstTokenMs,
      result.dispatchesPerToken,
      result.floorGBps,
      result.floorShare,
      result.gpuBytes,
    ]) {
      expect(figure).toBeGreaterThan(0);
    }
    expect(result.interTokenMs.p95).toBeGreaterThanOrEqual(result.interTokenMs.p50);
    // A step of both slots gives two tokens.
    expect(Number.isInteger(2 * result.dispatchesPerToken)).toBe(true);
    const before = model.runner.dispatches;
    await model.step(slots);
    expect(2 * result.dispatchesPerToken).toBe(model.runner.dispatches - before);
    expect(result).not.toHaveProperty('cpuMsPerToken');
    expect(result.gpuBytes).toBe(model.gpuBytes);

    let computed = false;
    const tooLong = measureModel(measured, {
      ...OPTIONS,
      context: 53,
      slots,
      signal: new AbortController().signal,
      onProgress() {
        computed = true;
      },
    });
    await expect(tooLong).rejects.toThrow(
      "53 + 5 + 7 tokens (before the prompt, the prompt, decoded) do not fit the model's context of 64.",
    );
    expect(computed).toBe(false);

    const stop = new AbortController();
    const cut = measureModel(measured, {
      ...OPTIONS,
      slots: [slots[0]],
      signal: stop.signal,
      onProgress(done) {
        if (done === 10) stop.abort(new LapisError('aborted', 'Enough.'));
      },
    });
    await expect(cut).rejects.toThrow('Enough.');
    expect(model.gpuBytes).toBe(result.gpuBytes);
    expect(model.rewind(slots[0], 0)).toBe(true);
    const [tokens, again] = [await model.prefill(slots[0], [2, 3, 4]), await model.prefill(slots[1], [2, 3, 4])];
    expect(tokens.slot).toBe(slots[0]);
    expect(again.slot).toBe(slots[1]);
  } finally {
    loaded.close();
  }
});

test('steps that fail while earlier ones are awaited end a measurement, and leave no rejection that nobody handles', async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', note);
  try {
    const model = new FakeModel({ contextTokens: 10, next: () => 5 });
    const slot = model.openSlot()!;
    await model.prefill(slot, [1, 2, 3, 4, 5, 6, 7, 8]);
    await expect(timeDecoding(model, [slot], 4)).rejects.toThrow('runs over its context');
    expect(unhandled).toEqual([]);
  } finally {
    process.off('unhandledRejection', note);
  }
});

test('the median of an even number of samples is between the two in the middle', () => {
  expect([[3], [2, 1], [9, 1, 4], [8, 1, 2, 4]].map(median)).toEqual([3, 1.5, 4, 3]);
});

test('a token reads every weight once, and a head of its own in place of the embedding', () => {
  const embedding = { name: 'token_embd.weight', type: 'F16' as const, shape: [8, 32], bytes: 512 };
  const down = { name: 'blk.0.ffn_down.weight', type: 'F32' as const, shape: [4, 32], bytes: 512 };
  const head = { name: 'output.weight', type: 'F32' as const, shape: [8, 32], bytes: 1024 };
  expect(costOfToken([embedding, down])).toEqual({ bytes: 1024, flops: 2 * (256 + 128) });
  expect(costOfToken([embedding, down, head])).toEqual({ bytes: 1536, flops: 2 * (128 + 256) });
});
