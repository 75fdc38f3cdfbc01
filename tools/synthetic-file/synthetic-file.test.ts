import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { ByteSource } from '../../src/model/byte-source.ts';
import { openGguf } from '../../src/model/gguf.ts';
import type { SyntheticFile } from './synthetic-file.ts';
import { fullSizeFile, smallFile } from './synthetic-file.ts';

/** The model that the file holds, seen from its header, and how often each kind of tensor has each type. */
async function table(file: SyntheticFile) {
  const { value: header } = await file.pieces().next();
  // The header is read in large steps, which reach beyond it.
  const source: ByteSource = {
    size: file.bytes,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      bytes.set(header!.subarray(offset, offset + length));
      return bytes;
    },
  };
  const model = await openGguf(source, { id: 'synthetic' });
  const counts: Record<string, number> = {};
  for (const { name, type } of model.tensors) {
    const kind = name.includes('norm') ? 'norms' : name.replace(/^blk\.\d+\.|\.weight$/g, '');
    counts[`${kind} ${type}`] = (counts[`${kind} ${type}`] ?? 0) + 1;
  }
  return { model, counts };
}

describe('a synthetic file', () => {
  test('of the 1B has the real file’s tensor table, and its size but for some words of metadata', async () => {
    const file = fullSizeFile();
    const { model, counts } = await table(file);
    expect(counts).toEqual({
      'token_embd Q8_0': 1,
      'attn_q Q5_0': 26,
      'attn_k Q5_0': 26,
      'attn_v Q8_0': 13,
      'attn_v Q5_0': 13,
      'attn_output Q4_K': 26,
      'ffn_gate Q5_0': 26,
      'ffn_up Q5_0': 26,
      'ffn_down Q6_K': 13,
      'ffn_down Q4_K': 13,
      'norms F32': 157,
    });
    const moreBits = model.tensors
      .filter(({ name, type }) => name.endsWith('ffn_down.weight') && type === 'Q6_K')
      .map(({ name }) => Number(name.split('.')[1]));
    expect(moreBits).toEqual([0, 1, 2, 5, 8, 11, 14, 17, 20, 22, 23, 24, 25]);
    expect(model.tokenizer.tokens).toHaveLength(262_144);
    expect(806_058_240 - file.bytes).toBeGreaterThan(0);
    expect(806_058_240 - file.bytes).toBeLessThan(8_192);
  });

  test('of the small shapes has the same kinds of tensors in the same types', async () => {
    const kinds = async (file: SyntheticFile) => Object.keys((await table(file)).counts).sort();
    expect(await kinds(smallFile())).toEqual(await kinds(fullSizeFile()));
  });

  test('has always the same bytes, as many as it says', async () => {
    const whole = async () => {
      const pieces: Uint8Array[] = [];
      for await (const piece of smallFile().pieces()) pieces.push(piece.slice());
      return Buffer.concat(pieces);
    };
    const [first, second] = [await whole(), await whole()];
    expect(first.length).toBe(smallFile().bytes);
    const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    expect(hash(second)).toBe(hash(first));
    expect(hash(first)).toBe('4200e025ac0c271c9f3272d4bdf1035154972067587460b333db06b3fe120584');
  });
});
