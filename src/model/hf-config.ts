import * as v from 'valibot';
import { LapisError } from '../protocol/errors.ts';
import { printable } from '../protocol/printable.ts';
import { type Gemma3Config, globalPattern } from './config.ts';
import { checkConfig } from './gemma3-tensors.ts';
import { describeIssue } from './untrusted-json.ts';

const rope = v.object({
  rope_type: v.optional(v.string()),
  /** Its name before transformers 4.43. */
  type: v.optional(v.string()),
  rope_theta: v.optional(v.number()),
  factor: v.optional(v.number()),
});

/** Absent keys have the values of transformers' Gemma3TextConfig; multimodal checkpoints rely on that for most of them. */
const textConfig = v.object({
  hidden_size: v.optional(v.number(), 2304),
  intermediate_size: v.optional(v.number(), 9216),
  num_hidden_layers: v.optional(v.number(), 26),
  num_attention_heads: v.optional(v.number(), 8),
  num_key_value_heads: v.optional(v.number(), 4),
  head_dim: v.optional(v.number(), 256),
  max_position_embeddings: v.optional(v.number(), 131_072),
  rms_norm_eps: v.optional(v.number(), 1e-6),
  query_pre_attn_scalar: v.optional(v.number(), 256),
  sliding_window: v.optional(v.nullable(v.number()), 4096),
  sliding_window_pattern: v.optional(v.number(), 6),
  layer_types: v.nullish(v.array(v.string())),
  rope_theta: v.optional(v.number(), 1_000_000),
  rope_local_base_freq: v.optional(v.number(), 10_000),
  rope_scaling: v.nullish(rope),
  /** Since transformers 5, in place of the three before. */
  rope_parameters: v.nullish(v.object({ full_attention: v.nullish(rope), sliding_attention: v.nullish(rope) })),
  hidden_activation: v.optional(v.string(), 'gelu_pytorch_tanh'),
  attention_bias: v.optional(v.boolean(), false),
  final_logit_softcapping: v.nullish(v.number()),
  attn_logit_softcapping: v.nullish(v.number()),
  use_bidirectional_attention: v.nullish(v.boolean()),
  tie_word_embeddings: v.optional(v.boolean(), true),
  eos_token_id: v.nullish(v.union([v.number(), v.array(v.number())])),
});

const folderConfig = v.object({
  architectures: v.optional(v.array(v.string()), []),
  model_type: v.optional(v.string(), ''),
  text_config: v.optional(v.record(v.string(), v.unknown())),
  quantization_config: v.nullish(v.unknown()),
  tie_word_embeddings: v.optional(v.boolean()),
  eos_token_id: v.nullish(v.union([v.number(), v.array(v.number())])),
});

export interface HuggingFaceConfig {
  config: Gemma3Config;
  /** Whether the head is the embedding, so that an `lm_head` in the files says nothing new. */
  tied: boolean;
  /** Ids that end a text according to the config. */
  stop: number[];
}

type TextConfig = v.InferOutput<typeof textConfig>;

function unsupported(what: string): never {
  throw new LapisError('unsupported', `This model has ${what}, which is not supported.`);
}

function parse<T extends v.GenericSchema>(schema: T, value: unknown): v.InferOutput<T> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  throw new LapisError('corrupt', `config.json: ${describeIssue(result.issues)}.`);
}

function patternOf(layerTypes: string[], layerCount: number): number {
  const known = layerTypes.every((type) => type === 'full_attention' || type === 'sliding_attention');
  const pattern = globalPattern(layerTypes.map((type) => type === 'full_attention'));
  if (!known || pattern === undefined || layerTypes.length !== layerCount) {
    unsupported('layer_types that do not repeat every so many layers');
  }
  return pattern;
}

function ropeScale(scaling: v.InferOutput<typeof rope> | null | undefined): number {
  const type = scaling?.rope_type ?? scaling?.type ?? 'default';
  if (type === 'default') return 1;
  if (type !== 'linear') unsupported(`"${printable(type)}" RoPE scaling`);
  return scaling?.factor ?? 1;
}

function gemma3Config(text: TextConfig, vocabularySize: number): Gemma3Config {
  if (text.hidden_activation !== 'gelu_pytorch_tanh')
    unsupported(`the activation "${printable(text.hidden_activation)}"`);
  if (text.attention_bias) unsupported('biases in its attention');
  if (text.final_logit_softcapping || text.attn_logit_softcapping) unsupported('a soft-cap on its logits');
  if (text.use_bidirectional_attention) unsupported('attention in both directions');
  const full = text.rope_parameters?.full_attention;
  const sliding = text.rope_parameters?.sliding_attention;
  if (ropeScale(sliding) !== 1) unsupported('RoPE scaling on its local layers');
  return checkConfig({
    hiddenSize: text.hidden_size,
    feedForwardSize: text.intermediate_size,
    layerCount: text.num_hidden_layers,
    headCount: text.num_attention_heads,
    kvHeadCount: text.num_key_value_heads,
    headDim: text.head_dim,
    vocabularySize,
    contextLength: text.max_position_embeddings,
    rmsNormEpsilon: text.rms_norm_eps,
    queryScale: text.query_pre_attn_scalar ** -0.5,
    slidingWindow: text.sliding_window ?? text.max_position_embeddings,
    slidingWindowPattern: text.layer_types
      ? patternOf(text.layer_types, text.num_hidden_layers)
      : text.sliding_window_pattern,
    ropeThetaGlobal: full?.rope_theta ?? text.rope_theta,
    ropeThetaLocal: sliding?.rope_theta ?? text.rope_local_base_freq,
    ropeScaleGlobal: ropeScale(text.rope_scaling ?? full),
  });
}

/**
 * Reads a parsed `config.json` of Gemma3ForCausalLM or Gemma3ForConditionalGeneration (its text model). `vocabularySize` is the
 * embedding's row count. Errors: `not-gemma` naming the architecture, `unsupported`, `corrupt`.
 */
export function huggingFaceConfig(value: unknown, vocabularySize: number): HuggingFaceConfig {
  const folder = parse(folderConfig, value);
  const [architecture = folder.model_type] = folder.architectures;
  const multimodal = architecture === 'Gemma3ForConditionalGeneration' || architecture === 'gemma3';
  if (!multimodal && architecture !== 'Gemma3ForCausalLM' && architecture !== 'gemma3_text') {
    throw new LapisError(
      'not-gemma',
      `This model's architecture is "${printable(architecture)}"; Lapis runs Gemma3ForCausalLM.`,
    );
  }
  if (folder.quantization_config) unsupported('weights that are quantized in safetensors');
  const text = parse(textConfig, folder.text_config ?? value);
  return {
    config: gemma3Config(text, vocabularySize),
    tied: folder.tie_word_embeddings ?? text.tie_word_embeddings,
    stop: [folder.eos_token_id ?? text.eos_token_id ?? []].flat(),
  };
}
