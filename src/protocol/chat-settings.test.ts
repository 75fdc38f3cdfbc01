import { expect, test } from 'vitest';
import { chatSettingsOf, defaultChatSettings, overridesOf } from './chat-settings.ts';

const GEMMA = 'gemma-3-1b-it-q4_k_m';

test('a system prompt set with the demo model leaves Gemma its own sampling', () => {
  const overrides = overridesOf({ ...defaultChatSettings('demo'), system: 'Be brief.' }, 'demo');
  expect(overrides).toEqual({ system: 'Be brief.' });
  expect(chatSettingsOf(overrides, GEMMA)).toEqual({ ...defaultChatSettings(GEMMA), system: 'Be brief.' });
});

test('what was set holds for every model, and the rest is the default of each', () => {
  const { sampling } = defaultChatSettings('demo');
  const set = { system: '', sampling: { ...sampling, temperature: 0.5, seed: 7 }, maxTokens: 200 };
  const overrides = overridesOf(set, 'demo');
  expect(chatSettingsOf(overrides, 'demo')).toEqual(set);
  expect(chatSettingsOf(overrides, GEMMA).sampling).toEqual({ temperature: 0.5, topK: 64, topP: 0.95, seed: 7 });
});

test('a filter that was switched off stays off, whether the value is off or absent', () => {
  for (const sampling of [{ temperature: 1, topK: 0, topP: 1, minP: 0 }, { temperature: 1 }]) {
    const overrides = overridesOf({ ...defaultChatSettings(GEMMA), sampling }, GEMMA);
    expect(overrides).toEqual({ sampling: { topK: 0, topP: 1 } });
    expect(chatSettingsOf(overrides, GEMMA).sampling).toEqual({ temperature: 1, topK: 0, topP: 1 });
  }
});

test.each(['demo', GEMMA])("the defaults of %s are no setting of the person's", (id) => {
  expect(overridesOf(defaultChatSettings(id), id)).toEqual({});
});
