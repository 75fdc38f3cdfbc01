import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
import type { TokenizerData } from '../../src/model/tokenizer-data.ts';
import { PIECE_TYPE } from '../../src/model/vocabulary.ts';
import type { ChatMessage } from '../../src/protocol/generation.ts';

interface Header {
  source: string;
  /** Ids of each type as [first, last] pairs; all others are normal. */
  types: Record<'unknown' | 'control' | 'userDefined' | 'byte', [number, number][]>;
}

/** A text with its ids; `special` where control strings read as controls give others. */
export interface ExpectedText {
  text: string;
  ids: number[];
  special?: number[];
}

export interface ExpectedChat {
  messages: ChatMessage[];
  ids: number[];
}

const read = (name: string) => readFileSync(new URL(name, import.meta.url));

/** The real Gemma 3 vocabulary, shaped as its GGUF files give it. */
export function gemma3Vocabulary(): TokenizerData {
  const tokens = brotliDecompressSync(read('vocabulary.br')).toString('utf8').split('\0');
  const types = new Array<number>(tokens.length).fill(PIECE_TYPE.normal);
  for (const [type, ranges] of Object.entries(expectedLines<Header>()[0].types)) {
    for (const [first, last] of ranges) types.fill(PIECE_TYPE[type as keyof Header['types']], first, last + 1);
  }
  // llama.cpp's converter gives every added token -1000, in the middle of the others' scores.
  const scores = tokens.map((_, id) => (types[id] === PIECE_TYPE.normal ? -id : -1000));
  return { type: 'sentencepiece-bpe', tokens, scores, types, bos: 2, eos: 1, pad: 0, unknown: 3, stop: [1, 106] };
}

/** What the real tokenizer and its chat template made of the fixture's texts and chats. */
export function gemma3Expectations(): { texts: ExpectedText[]; chats: ExpectedChat[] } {
  const cases = expectedLines<ExpectedText | ExpectedChat>().slice(1);
  return {
    texts: cases.filter((line): line is ExpectedText => 'text' in line),
    chats: cases.filter((line): line is ExpectedChat => 'messages' in line),
  };
}

function expectedLines<Line>(): Line[] {
  return read('expected.jsonl')
    .toString('utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}
