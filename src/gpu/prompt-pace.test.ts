import { expect, test } from 'vitest';
import { PromptPace } from './prompt-pace.ts';

/** Steps of a layer by what they cost: norm, q/k/v (two types), rope, attention, output, norm, gate and up, down. */
const LAYER = [0.05, 0.7, 0.15, 0.05, 0.6, 0.5, 0.05, 3.9, 2];
const PLAN = [0.05, ...Array.from({ length: 26 }, () => LAYER).flat(), 0.05];
const WORK = PLAN.reduce((sum, cost) => sum + cost, 0);

/** A device on which a chunk takes `fixedMs` for its weights and `msPerRow` for each row; the next is cut before one has ended. */
function run(
  device: { fixedMs: number; msPerRow: number },
  prompts: number[],
  pace = new PromptPace(256, PLAN.length),
) {
  const submits: number[][] = [];
  const rows: number[] = [];
  for (const prompt of prompts) {
    submits.push([]);
    let ended = () => {};
    for (let done = 0; done < prompt; ) {
      const cut = pace.next();
      const count = Math.min(cut.rows, prompt - done);
      const chunkMs = device.fixedMs + device.msPerRow * count;
      for (let at = 0; at < PLAN.length; at += cut.steps) {
        const work = PLAN.slice(at, at + cut.steps).reduce((sum, cost) => sum + cost, 0);
        submits.at(-1)!.push((chunkMs * work) / WORK);
      }
      ended();
      ended = () => pace.took(cut, count, chunkMs);
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

test('a fast device gets whole chunks and few submits from its second prompt on', () => {
  const { submits, rows } = run({ fixedMs: 1, msPerRow: 0.07 }, [40, 512]);
  expect(rows).toEqual([32, 8, 256, 256]);
  expect(submits[1]).toHaveLength(2 * Math.ceil(PLAN.length / 48));
});

test('it follows a device that becomes slow, and one that becomes fast again', () => {
  const { pace } = run({ fixedMs: 1, msPerRow: 0.07 }, [300]);
  expect(pace.next().rows).toBe(256);
  run({ fixedMs: 60, msPerRow: 40 }, [300], pace);
  expect(pace.next().rows).toBeLessThan(64);
  run({ fixedMs: 1, msPerRow: 0.07 }, [1000], pace);
  expect(pace.next()).toEqual({ rows: 256, steps: 48 });
});

test('short prompts teach what is not known, and that a device has become slow', () => {
  const { pace } = run({ fixedMs: 1, msPerRow: 0.07 }, [5]);
  expect(pace.next()).toEqual({ rows: 256, steps: 48 });
  run({ fixedMs: 60, msPerRow: 40 }, [100], pace);
  expect(pace.next().rows).toBeLessThan(64);
});

test('one chunk that seems to have taken no time changes little', () => {
  const { pace } = run({ fixedMs: 60, msPerRow: 40 }, [300]);
  const { rows } = pace.next();
  pace.took(pace.next(), rows, 0);
  expect(pace.next().rows).toBeLessThanOrEqual(4 * rows + 4);
});

test('the few rows at the end of a prompt teach nothing', () => {
  const { pace } = run({ fixedMs: 20, msPerRow: 0.07 }, [300]);
  const before = pace.next();
  pace.took(before, 1, 20);
  expect(pace.next()).toEqual(before);
});

test('buffers for few rows are not overrun', () => {
  const pace = new PromptPace(4, PLAN.length);
  expect(pace.next().rows).toBe(4);
  pace.took(pace.next(), 4, 0.1);
  expect(pace.next().rows).toBe(4);
});
