import * as v from 'valibot';
import { LapisError } from '../protocol/errors.ts';
import { printable } from '../protocol/printable.ts';
import { CONFIG_LIMITS } from './limits.ts';
import { type Piece, readSentencePieceModel } from './sentencepiece-model.ts';
import type { TokenizerData } from './tokenizer-data.ts';
import { describeIssue } from './untrusted-json.ts';
import { completeTokenizer, PIECE_TYPE } from './vocabulary.ts';

/*
 * A Hugging Face folder's tokenizer as the vocabulary that llama.cpp's converter would write: the SentencePiece model where there
 * is one, else the same out of tokenizer.json; then the added tokens laid over it.
 */

/** The files of a folder that say something about its tokenizer, parsed; undefined where absent. */
export interface TokenizerFiles {
  /** `tokenizer.model` */
  model?: Uint8Array;
  /** `tokenizer.json` */
  json?: unknown;
  /** `tokenizer_config.json` */
  config?: unknown;
  /** `added_tokens.json` */
  added?: unknown;
}

/** The score of every added token; they match before BPE, so it orders nothing. */
const ADDED_SCORE = -1000;

const addedToken = v.object({
  id: v.optional(v.number()),
  content: v.string(),
  special: v.optional(v.boolean(), false),
});
const named = v.nullish(v.union([v.string(), v.object({ content: v.string() })]));

const configSchema = v.object({
  added_tokens_decoder: v.optional(v.record(v.string(), addedToken), {}),
  bos_token: named,
  eos_token: named,
  pad_token: named,
  unk_token: named,
});

function isVocabulary(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((id) => Number.isInteger(id) && id >= 0 && id < CONFIG_LIMITS.vocabularySize);
}

function isMerge(value: unknown): boolean {
  if (typeof value === 'string') return true;
  return Array.isArray(value) && value.length === 2 && value.every((half) => typeof half === 'string');
}

const jsonSchema = v.object({
  model: v.object({
    type: v.optional(v.string(), 'BPE'),
    // Checked in one go: a schema for each of 262,144 pieces would take longer than reading the file.
    vocab: v.custom<Record<string, number>>(isVocabulary, 'not pieces with their ids'),
    merges: v.custom<(string | [string, string])[]>((x) => Array.isArray(x) && x.every(isMerge), 'not pairs of texts'),
    byte_fallback: v.optional(v.nullable(v.boolean()), false),
  }),
  added_tokens: v.optional(v.array(addedToken), []),
});

function parse<T extends v.GenericSchema>(schema: T, value: unknown, file: string): v.InferOutput<T> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  throw new LapisError('corrupt', `${file}: ${describeIssue(result.issues)}.`);
}

/**
 * tokenizer.json holds no scores, but its merges are sorted by them: the first merge that makes a piece gives its rank, and
 * merging by falling score is merging by rising rank.
 */
function piecesOfJson(value: unknown): Piece[] {
  const { model } = parse(jsonSchema, value, 'tokenizer.json');
  if (model.type !== 'BPE' || !model.byte_fallback) {
    throw new LapisError(
      'unsupported',
      `tokenizer.json is a ${printable(model.type)} tokenizer without byte fallback, not Gemma's kind.`,
    );
  }
  const ranks = new Map<string, number>();
  model.merges.forEach((merge, rank) => {
    const piece = typeof merge === 'string' ? merge.replace(' ', '') : merge.join('');
    if (!ranks.has(piece)) ranks.set(piece, rank);
  });
  const pieces: Piece[] = [];
  for (const [text, id] of Object.entries(model.vocab)) {
    const isByte = /^<0x[0-9A-F]{2}>$/.test(text);
    pieces[id] = {
      text,
      score: isByte ? 0 : 0 - (ranks.get(text) ?? model.merges.length),
      type: isByte ? PIECE_TYPE.byte : PIECE_TYPE.normal,
    };
  }
  return pieces;
}

/** Tokens that checkpoints add as ordinary ones although they are control tokens (llama.cpp's does_token_look_special). */
function looksSpecial(token: string): boolean {
  return (
    ['<pad>', '<mask>', '<2mass>', '[@BOS@]'].includes(token) || /^<unused.*>$/.test(token) || /^<\|.*\|>$/.test(token)
  );
}

/** The vocabulary of a Hugging Face folder, `vocabularySize` pieces. Errors: `corrupt`, `unsupported`. */
export function huggingFaceTokenizer(
  files: TokenizerFiles,
  vocabularySize: number,
  stop: readonly number[],
): TokenizerData {
  if (!files.model && !files.json) {
    throw new LapisError('corrupt', 'The folder has neither tokenizer.model nor tokenizer.json.');
  }
  const pieces = files.model ? readSentencePieceModel(files.model) : piecesOfJson(files.json);
  const config = parse(configSchema, files.config ?? {}, 'tokenizer_config.json');

  const put = (id: number, text: string, type: number): void => {
    if (!Number.isInteger(id) || id < 0)
      throw new LapisError('corrupt', `The added token ${printable(text)} has the id ${id}.`);
    // Beyond the embedding there is nothing to look up; the multimodal files' image token stands there.
    if (id < vocabularySize) pieces[id] = { text, score: ADDED_SCORE, type };
  };
  for (const [text, id] of Object.entries(
    parse(v.record(v.string(), v.number()), files.added ?? {}, 'added_tokens.json'),
  )) {
    put(id, text, PIECE_TYPE.userDefined);
  }
  const typeOf = (token: { content: string; special: boolean }): number =>
    token.special || looksSpecial(token.content) ? PIECE_TYPE.control : PIECE_TYPE.userDefined;
  const decoder = Object.entries(config.added_tokens_decoder);
  for (const [id, token] of decoder) put(Number(id), token.content, typeOf(token));
  if (decoder.length === 0 && files.json) {
    for (const token of parse(jsonSchema, files.json, 'tokenizer.json').added_tokens) {
      put(token.id ?? -1, token.content, typeOf(token));
    }
  }

  const full = Array.from({ length: pieces.length }, (_, id) => {
    return pieces[id] ?? { text: `[PAD${id}]`, score: -10_000, type: PIECE_TYPE.unused };
  });
  const tokens = full.map(({ text }) => text);
  const special = (name: v.InferOutput<typeof named>, fallback: string): number => {
    const text = typeof name === 'string' ? name : (name?.content ?? fallback);
    const id = tokens.indexOf(text);
    if (id < 0) throw new LapisError('corrupt', `The vocabulary has no ${printable(text)}.`);
    return id;
  };
  const unknown = special(config.unk_token, '<unk>');
  if (full[unknown].type === PIECE_TYPE.normal) full[unknown].type = PIECE_TYPE.unknown;
  return completeTokenizer(
    {
      tokens,
      scores: full.map(({ score }) => score),
      types: full.map(({ type }) => type),
      bos: special(config.bos_token, '<bos>'),
      eos: special(config.eos_token, '<eos>'),
      pad: special(config.pad_token, '<pad>'),
      unknown,
    },
    vocabularySize,
    stop,
  );
}
