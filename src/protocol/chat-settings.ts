import type { SamplingOptions } from './generation.ts';
import type { ChatSettings } from './host.ts';

/** What the person has set otherwise than a model's defaults. It is all that is kept, so each model has its own defaults for the rest. */
export type ChatOverrides = Partial<ChatSettings>;

/** What Gemma's makers recommend for chat; the demo model is too small to have second choices worth taking. */
const GEMMA_SAMPLING: SamplingOptions = { temperature: 1, topK: 64, topP: 0.95 };
const DEMO_SAMPLING: SamplingOptions = { temperature: 0 };

/** The values that mean the same as an absent one. */
const OFF: SamplingOptions = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  penaltyWindow: 0,
  logProbabilities: 0,
};

/** The chat's settings with a model while the person has set nothing. */
export function defaultChatSettings(modelId: string | undefined): ChatSettings {
  return { system: '', sampling: modelId === 'demo' ? DEMO_SAMPLING : GEMMA_SAMPLING, maxTokens: 1024 };
}

/** The chat's settings with a model. */
export function chatSettingsOf(overrides: ChatOverrides, modelId: string): ChatSettings {
  const defaults = defaultChatSettings(modelId);
  return { ...defaults, ...overrides, sampling: { ...defaults.sampling, ...overrides.sampling } };
}

/** What of `settings` differs from the defaults of the model for which they were made. */
export function overridesOf(settings: ChatSettings, modelId: string): ChatOverrides {
  const defaults = defaultChatSettings(modelId);
  const overrides: ChatOverrides = {};
  if (settings.system !== defaults.system) overrides.system = settings.system;
  if (settings.maxTokens !== defaults.maxTokens) overrides.maxTokens = settings.maxTokens;
  const sampling: SamplingOptions = {};
  for (const key of [...Object.keys(OFF), 'seed'] as (keyof SamplingOptions)[]) {
    const value = settings.sampling[key] ?? OFF[key];
    if (value !== (defaults.sampling[key] ?? OFF[key])) sampling[key] = value;
  }
  if (Object.keys(sampling).length > 0) overrides.sampling = sampling;
  return overrides;
}
