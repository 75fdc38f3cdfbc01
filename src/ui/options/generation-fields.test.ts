import { describe, expect, test } from 'vitest';
import { defaultChatSettings } from '../../protocol/chat-settings.ts';
import { fieldText, NUMBER_FIELDS, withFieldText } from './generation-fields.ts';

const DEFAULTS = defaultChatSettings('gemma-3-1b-it-q4_k_m');
const field = (key: string) => NUMBER_FIELDS.find((one) => one.key === key)!;

describe('the fields of the generation settings', () => {
  test('take what fits and keep the rest', () => {
    const taken = withFieldText(DEFAULTS, field('temperature'), ' 0,7 ');
    expect(taken).toEqual({
      settings: { ...DEFAULTS, sampling: { ...DEFAULTS.sampling, temperature: 0.7 } },
    });
    expect(withFieldText(DEFAULTS, field('maxTokens'), '200')).toEqual({
      settings: { ...DEFAULTS, maxTokens: 200 },
    });
  });

  test.each([
    ['temperature', '2.5', 'Temperature must be a number from 0 to 2.'],
    ['temperature', '', 'Temperature must be a number from 0 to 2.'],
    ['topP', '0', 'Top-p must be a number from 0.01 to 1.'],
    ['topK', '1.5', 'Top-k must be a whole number.'],
    ['maxTokens', 'many', 'Longest answer must be a number from 1 to 8192.'],
    ['seed', '-1', 'Seed must be a number from 0 to 4294967295.'],
    ['seed', '4294967296', 'Seed must be a number from 0 to 4294967295.'],
  ])('%s refuses "%s" in a sentence', (key, text, problem) => {
    expect(withFieldText(DEFAULTS, field(key), text)).toEqual({ problem });
  });

  test('an empty seed leaves the choice to the engine', () => {
    const seeded = withFieldText(DEFAULTS, field('seed'), '7');
    if (!('settings' in seeded)) throw new Error('refused');
    expect(fieldText(seeded.settings, field('seed'))).toBe('7');
    expect(withFieldText(seeded.settings, field('seed'), '')).toEqual({ settings: DEFAULTS });
    expect(fieldText(DEFAULTS, field('seed'))).toBe('');
  });
});
