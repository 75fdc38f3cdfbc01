import { expect } from 'vitest';
import { smallVocabulary } from '../../model/testing/small-vocabulary.ts';
import { createTokenizer } from '../../model/tokenizer.ts';
import type { GenerateEvent, GenerateRequest } from '../../protocol/generation.ts';
import { createEngine, type EngineOptions } from '../engine.ts';
import { FakeModel, type FakeModelOptions } from './fake-model.ts';

/* An engine on a model whose words are known beforehand, and what tests ask of its events. */

export const tokenizer = createTokenizer(smallVocabulary([...'abcdefghijklmnopqrstuvwxyz:?▁']));
export const EOS = 1;
export const COLON = tokenizer.encode(':')[0];
const [START_OF_TURN] = tokenizer.encode('<start_of_turn>', { special: true });
const TURN_HEAD = tokenizer.encode('model\n');

export type EndEvent = Extract<GenerateEvent, { type: 'end' }>;

/** After the prompt's last colon, or after its opened turn, the model says these ids, then eos, then rubbish. */
export function says(ids: number[]): FakeModelOptions['next'] {
  return (tokens) => {
    const turn = tokens.lastIndexOf(START_OF_TURN);
    const said = tokens.length - (turn < 0 ? tokens.lastIndexOf(COLON) + 1 : turn + 1 + TURN_HEAD.length);
    return said === ids.length ? EOS : (ids[said] ?? tokenizer.encode('q')[0]);
  };
}

/** A letter that depends on every token before it and on the seed: wrong KV gives another text. */
export const babble: FakeModelOptions['next'] = (tokens, { seed = 0 }) => {
  let hash = 2166136261 ^ seed;
  for (const token of tokens) hash = Math.imul(hash ^ token, 16777619) >>> 0;
  hash = (hash ^ (hash >>> 15)) >>> 0;
  return hash % 40 === 0 ? EOS : tokenizer.encode('abcdefghijklmnopqrstuvwxyz'[hash % 26])[0];
};

export function start(model: FakeModelOptions, engine: Partial<EngineOptions> = {}) {
  const fake = new FakeModel(model);
  return { model: fake, engine: createEngine({ model: fake, tokenizer, ...engine }) };
}

export const completion = (text: string, rest: Partial<GenerateRequest> = {}): GenerateRequest => ({
  prompt: { kind: 'completion', text },
  ...rest,
});

export async function collect(events: AsyncIterable<GenerateEvent>): Promise<GenerateEvent[]> {
  const all: GenerateEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

/** All events must be in order and consistent, and the last one an end. */
export async function end(events: AsyncIterable<GenerateEvent>): Promise<EndEvent> {
  const all = await collect(events);
  expect(all[0].type).toBe('start');
  const last = all.at(-1)!;
  if (last.type !== 'end') throw new Error(`The last event is ${JSON.stringify(last)}.`);
  const texts = all.filter((event) => event.type === 'text');
  expect(all.filter(({ type }) => type === 'end' || type === 'error')).toHaveLength(1);
  expect(texts.map(({ text }) => text).join('')).toBe(last.text);
  expect(texts.flatMap(({ tokens }) => tokens)).toEqual(last.tokens);
  return last;
}

/** Lets everything that is due happen. */
export const settle = () => new Promise((resolve) => setTimeout(resolve, 20));
