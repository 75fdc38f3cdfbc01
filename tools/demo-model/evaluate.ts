import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { createEngine } from '../../src/engine/engine.ts';
import { createTokenizer } from '../../src/model/tokenizer.ts';
import { LapisError } from '../../src/protocol/errors.ts';
import type { GenerateRequest } from '../../src/protocol/generation.ts';
import { loadModel } from '../load-model.ts';
import { openModel } from '../model-files.ts';

// evaluate.py's questions, put to Lapis's own engine and the converted model:
//   npx tsx --import ./tools/wgsl-loader.mjs tools/demo-model/evaluate.ts [MODEL] [RESULT.json] [--part facts]

interface Question {
  question: string;
  answer: string;
}

interface Completion {
  text: string;
  continues: string;
}

interface Questions {
  facts: Question[];
  chat: Question[];
  completions: Completion[];
}

/** Questions answered together, as several callers would ask them. */
const AT_ONCE = 8;

const { values, positionals } = parseArgs({ allowPositionals: true, options: { part: { type: 'string' } } });
const [folder = 'extension/models/demo', resultFile] = positionals;
const questions: Questions = JSON.parse(await readFile(new URL('./evaluation.json', import.meta.url), 'utf8'));

const source = await openModel(folder);
const tokenizer = createTokenizer(source.tokenizer);
const loaded = await loadModel(source, { slotCount: AT_ONCE, contextTokens: 640 });
const engine = createEngine({ model: loaded.model, tokenizer, loadMs: loaded.loadMs });

async function answer(prompt: GenerateRequest['prompt'], maxTokens: number): Promise<string> {
  for await (const event of engine.generate({ prompt, maxTokens }, {})) {
    if (event.type === 'error') throw LapisError.fromPayload(event.error);
    if (event.type === 'end') return event.text;
  }
  throw new LapisError('internal', 'The answer ended without an end.');
}

/** What `ask` gives for each entry, in order, AT_ONCE of them at a time. */
async function together<T>(entries: T[], ask: (entry: T) => Promise<string>): Promise<string[]> {
  const given: string[] = new Array(entries.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < entries.length; index = next++) {
      given[index] = await ask(entries[index]!);
      process.stderr.write(`\r${index + 1} of ${entries.length} `);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  process.stderr.write('\r');
  return given;
}

const result: Record<string, { asked: number; right: number; wrong: object[] }> = {};
try {
  for (const part of ['completions', 'facts', 'chat'] as const) {
    if (values.part && values.part !== part) continue;
    const wrong: object[] = [];
    if (part === 'completions') {
      const given = await together(questions.completions, (entry) =>
        answer({ kind: 'completion', text: entry.text }, 12),
      );
      questions.completions.forEach((entry, i) => {
        if (!given[i]!.startsWith(entry.continues)) wrong.push({ ...entry, got: given[i] });
      });
    } else {
      const ask = (entry: Question) =>
        answer({ kind: 'chat', messages: [{ role: 'user', content: entry.question }] }, 480);
      const given = await together(questions[part], ask);
      questions[part].forEach((entry, i) => {
        if (given[i] !== entry.answer) wrong.push({ ...entry, got: given[i] });
      });
    }
    const asked = questions[part].length;
    result[part] = { asked, right: asked - wrong.length, wrong };
    console.log(part, asked - wrong.length, 'of', asked, wrong.length ? JSON.stringify(wrong) : '');
  }
} finally {
  loaded.close();
}
if (resultFile) {
  const { vendor, architecture } = loaded.adapter;
  await writeFile(resultFile, `${JSON.stringify({ adapter: { vendor, architecture }, ...result }, null, 1)}\n`);
}
