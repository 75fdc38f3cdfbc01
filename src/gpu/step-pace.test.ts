import { expect, test } from 'vitest';
import { StepPace } from './step-pace.ts';

test.each([
  { name: 'nothing is known', times: [], together: 1 },
  { name: 'too few were fast', times: Array(7).fill(1), together: 1 },
  { name: 'eight were fast', times: Array(8).fill(1), together: 4 },
  { name: 'eight took no time at all', times: Array(8).fill(0), together: 4 },
  { name: 'three come within half a frame', times: Array(8).fill(2.5), together: 3 },
  { name: 'one of the last eight was slow', times: [...Array(8).fill(1), 30], together: 1 },
  { name: 'slow ones are long past', times: [...Array(8).fill(30), ...Array(8).fill(3.9)], together: 2 },
  { name: 'slow ones came back at once', times: [90, 0, 0, 90, 0, 0, 90, 0, 0], together: 1 },
])('$together a submit when $name', ({ times, together }) => {
  const pace = new StepPace();
  for (const time of times) pace.took(1, time);
  expect(pace.together(8)).toBe(together);
});

test('what a submit takes is shared by its steps', () => {
  const pace = new StepPace();
  for (let i = 0; i < 8; i++) pace.took(2, 7);
  expect(pace.together(8)).toBe(2);
});

test.each([0, 1, 2, 3, 4])('no more than the %i that the GPU has from before', (underWay) => {
  const pace = new StepPace();
  for (let i = 0; i < 8; i++) pace.took(1, 1);
  expect(pace.together(underWay)).toBe(Math.max(1, underWay));
});
