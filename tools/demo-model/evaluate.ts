import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { createEngine } from '../../src/engine/engine.ts';
import { createTokenizer } from '../../src/model/tokenizer.ts';
import { loadModel } from '../load-model.ts';
import { openModel } from '../model-files.ts';
import { AT_ONCE, CONTEXT_TOKENS, evaluate, readEvaluation } from './evaluation.ts';

// evaluate.py's questions, put to Lapis's own engine and the converted model:
//   npx tsx --import ./tools/wgsl-loader.mjs tools/demo-model/evaluate.ts [MODEL] [RESULT.json]

const { positionals } = parseArgs({ allowPositionals: true });
const [folder = 'extension/models/demo', resultFile] = positionals;

const source = await openModel(folder);
const tokenizer = createTokenizer(source.tokenizer);
const { model, adapter, loadMs, close } = await loadModel(source, {
  slotCount: AT_ONCE,
  contextTokens: CONTEXT_TOKENS,
});
try {
  const engine = createEngine({ model, tokenizer, loadMs });
  const result = await evaluate(engine, await readEvaluation(), (done, of) =>
    process.stderr.write(`\r${done} of ${of} `),
  );
  process.stderr.write('\r');
  for (const [part, { asked, right, wrong }] of Object.entries(result)) {
    console.log(part, right, 'of', asked, wrong.length ? JSON.stringify(wrong) : '');
  }
  if (resultFile) {
    const { vendor, architecture } = adapter;
    await writeFile(resultFile, `${JSON.stringify({ adapter: { vendor, architecture }, ...result }, null, 1)}\n`);
  }
} finally {
  close();
}
