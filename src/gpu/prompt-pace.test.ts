import { expect, test } from 'vitest';
import { isGlobalLayer } from '../model/config.ts';
import { PromptPace } from './prompt-pace.ts';

/** The 1B's, as far as the pace reads it. */
const CONFIG = {
  ...{ layerCount: 26, hiddenSize: 1152, feedForwardSize: 6912, headCount: 4, kvHeadCount: 1, headDim: 256 },
  ...{ slidingWindowPattern: 6, slidingWindow: 512, contextLength: 32_768, vocabularySize: 262_144 },
  ...{ rmsNormEpsilon: 1e-6, queryScale: 1 / 16, ropeThetaGlobal: 1e6, ropeThetaLocal: 1e4, ropeScaleGlobal: 1 },
};
/** Steps of a layer by what they cost: norm, q/k/v (two types), rope, attention, output, norm, gate and up, down. */
const LAYER = [0.05, 0.7, 0.15, 0.05, 0.6, 0.5, 0.05, 3.9, 2];
const PLAN = [0.05, ...Array.from({ length: CONFIG.layerCount }, () => LAYER).flat(), 0.05];
const WORK = PLAN.reduce((sum, cost) => sum + cost, 0);
/** Where the attention of the four global layers takes as long as all else: on an H200 25,700 (docs/curves.json). */
const EVEN_POSITION = 25_700;

/** The plan with the attention of each global layer as it is at a position. */
function planAt(position: number): number[] {
  return PLAN.map((cost, step) => {
    const [layer, inLayer] = [Math.floor((step - 1) / LAYER.length), (step - 1) % LAYER.length];
    return inLayer === 4 && isGlobalLayer(CONFIG, layer) ? cost + ((position / EVEN_POSITION) * WORK) / 4 : cost;
  });
}

/**
 * A device on which a chunk takes `fixedMs` for its weights and `msPerRow` for each row, and more the later it stands; the next is cut before
 * one has ended.
 */
function run(
  device: { fixedMs: number; msPerRow: number },
  prompts: number[],
  pace = new PromptPace(256, PLAN.length, CONFIG),
) {
  const submits: number[][] = [];
  const rows: number[] = [];
  for (const prompt of prompts) {
    submits.push([]);
    let ended = () => {};
    for (let done = 0; done < prompt; ) {
      const position = done;
      const cut = pace.next(position);
      const count = Math.min(cut.rows, prompt - done);
      const plan = planAt(position + count);
      let chunkMs = 0;
      for (let at = 0; at < PLAN.length; at += cut.steps) {
        const work = plan.slice(at, at + cut.steps).reduce((sum, cost) => sum + cost, 0);
        const submitMs = ((device.fixedMs + device.msPerRow * count) * work) / WORK;
        submits.at(-1)!.push(submitMs);
        chunkMs += submitMs;
      }
      ended();
      ended = () => pace.took(cut, count, position, chunkMs);
      rows.push(count);
      done += count;
    }
    ended();
  }
  return { submits, rows, pace };
}

test.each([
  ['an H100', { fixedMs: 1, msPerRow: 0.07 }],
  ['a laptop GPU', { fixedMs: 5, msPerRow: 1 }],
  ['an integrated GPU', { fixedMs: 25, msPerRow: 8 }],
  ['an old one', { fixedMs: 60, msPerRow: 40 }],
  ['one that a page plays a film on', { fixedMs: 200, msPerRow: 60 }],
])('on %s no submit takes 50 ms once a chunk has been timed', (_, device) => {
  const { submits } = run(device, [70, 1000, 3, 700]);
  expect(Math.max(...submits.slice(1).flat())).toBeLessThan(50);
  expect(Math.max(...submits[0]!)).toBeLessThan(120);
});

test.each([0.07, 1, 2, 4, 8])(
  'at %f ms a row no submit of a long prompt takes 50 ms, nor of a short one behind it',
  (msPerRow) => {
    const { submits, pace } = run({ fixedMs: 5, msPerRow }, [256, 32_768, 300]);
    expect(
      submits
        .slice(1)
        .flat()
        .filter((ms) => ms >= 50),
    ).toEqual([]);
    if (msPerRow < 1) expect(pace.next(32_000)).toEqual({ rows: 256, steps: 48 });
  },
);

test('a fast device gets whole chunks and few submits from its second prompt on', () => {
  const { submits, rows } = run({ fixedMs: 1, msPerRow: 0.07 }, [40, 512]);
  expect(rows).toEqual([32, 8, 256, 256]);
  expect(submits[1]).toHaveLength(2 * Math.ceil(PLAN.length / 48));
});

test('it follows a device that becomes slow, and one that becomes fast again', () => {
  const { pace } = run({ fixedMs: 1, msPerRow: 0.07 }, [300]);
  expect(pace.next(0).rows).toBe(256);
  run({ fixedMs: 60, msPerRow: 40 }, [300], pace);
  expect(pace.next(0).rows).toBeLessThan(64);
  run({ fixedMs: 1, msPerRow: 0.07 }, [1000], pace);
  expect(pace.next(0)).toEqual({ rows: 256, steps: 48 });
});

test('short prompts teach what is not known, and that a device has become slow', () => {
  const { pace } = run({ fixedMs: 1, msPerRow: 0.07 }, [5]);
  expect(pace.next(0)).toEqual({ rows: 256, steps: 48 });
  run({ fixedMs: 60, msPerRow: 40 }, [100], pace);
  expect(pace.next(0).rows).toBeLessThan(64);
});

test('one chunk that seems to have taken no time changes little', () => {
  const { pace } = run({ fixedMs: 60, msPerRow: 40 }, [300]);
  const { rows } = pace.next(0);
  pace.took(pace.next(0), rows, 0, 0);
  expect(pace.next(0).rows).toBeLessThanOrEqual(4 * rows + 4);
});

test('the few rows at the end of a prompt teach nothing', () => {
  const { pace } = run({ fixedMs: 20, msPerRow: 0.07 }, [300]);
  const before = pace.next(0);
  pace.took(before, 1, 0, 20);
  expect(pace.next(0)).toEqual(before);
});

test('buffers for few rows are not overrun', () => {
  const pace = new PromptPace(4, PLAN.length, CONFIG);
  expect(pace.next(0).rows).toBe(4);
  pace.took(pace.next(0), 4, 0, 0.1);
  expect(pace.next(0).rows).toBe(4);
});
