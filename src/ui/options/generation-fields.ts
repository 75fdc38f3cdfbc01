import type { ChatSettings } from '../../protocol/host.ts';
import { strings } from '../strings.ts';

/** A number that the person may set, and within which bounds it makes sense. */
export interface NumberField {
  key: 'temperature' | 'topK' | 'topP' | 'minP' | 'maxTokens' | 'seed';
  label: string;
  hint: string;
  min: number;
  max: number;
  step: number;
  /** An empty field leaves the choice to the engine. */
  optional?: boolean;
  /** What an absent value means. */
  fallback: number;
}

const words = strings.generation;

export const NUMBER_FIELDS: NumberField[] = [
  {
    key: 'temperature',
    label: words.temperature,
    hint: words.temperatureHint,
    min: 0,
    max: 2,
    step: 0.05,
    fallback: 0,
  },
  { key: 'topK', label: words.topK, hint: words.topKHint, min: 0, max: 1000, step: 1, fallback: 0 },
  { key: 'topP', label: words.topP, hint: words.topPHint, min: 0.01, max: 1, step: 0.01, fallback: 1 },
  { key: 'minP', label: words.minP, hint: words.minPHint, min: 0, max: 1, step: 0.01, fallback: 0 },
  { key: 'maxTokens', label: words.maxTokens, hint: words.maxTokensHint, min: 1, max: 8192, step: 1, fallback: 1024 },
  {
    key: 'seed',
    label: words.seed,
    hint: words.seedHint,
    min: 0,
    max: 2 ** 32 - 1,
    step: 1,
    optional: true,
    fallback: 0,
  },
];

/** The text in the field for the settings as they stand. */
export function fieldText(settings: ChatSettings, field: NumberField): string {
  const value = field.key === 'maxTokens' ? settings.maxTokens : settings.sampling[field.key];
  if (value === undefined) return field.optional ? '' : String(field.fallback);
  return String(value);
}

/** The settings with what was typed, or a sentence on why it does not fit. */
export function withFieldText(
  settings: ChatSettings,
  field: NumberField,
  text: string,
): { settings: ChatSettings } | { problem: string } {
  const trimmed = text.trim().replace(',', '.');
  if (trimmed === '' && field.optional) {
    const { [field.key as 'seed']: _, ...sampling } = settings.sampling;
    return { settings: { ...settings, sampling } };
  }
  const value = Number(trimmed);
  if (trimmed === '' || !Number.isFinite(value) || value < field.min || value > field.max) {
    return { problem: words.outOfRange(field.label, String(field.min), String(field.max)) };
  }
  if (Number.isInteger(field.step) && !Number.isInteger(value)) return { problem: words.whole(field.label) };
  if (field.key === 'maxTokens') return { settings: { ...settings, maxTokens: value } };
  return { settings: { ...settings, sampling: { ...settings.sampling, [field.key]: value } } };
}
