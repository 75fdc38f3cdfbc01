import { describe, expect, test } from 'vitest';
import { RECIPE } from '../model/derived-norms.ts';
import { LapisError } from '../protocol/errors.ts';
import { GEMMA_TERMS } from './catalogue.ts';
import { environment } from './environment.ts';
import { sweep } from './purge.ts';
import type { ModelRecord } from './record.ts';
import { directoryOf, newJournal, RECORD_FILE, readRecord, writeRecord } from './record.ts';
import { memoryFileStore } from './testing/memory-file-store.ts';

const COPY = 'record.copy.json';
const MODEL = { id: 'm', name: 'Mine', license: GEMMA_TERMS };
const RECORD: ModelRecord = {
  ...newJournal(MODEL, { kind: 'file', name: 'm.gguf' }, 7, RECIPE.schemaVersion),
  lastUsedAt: 1,
};
const DIRECTORY = directoryOf(MODEL.id);

async function stored() {
  const files = memoryFileStore();
  await writeRecord(files, RECORD_FILE, RECORD);
  const folder = files.contents.get(DIRECTORY)!;
  const opened = () => sweep(environment({ files, packageUrl: (path) => path }));
  return { files, folder, opened, text: new TextDecoder().decode(folder.get(RECORD_FILE)) };
}

const bytesOf = (text: string) => new TextEncoder().encode(text);

describe('a record', () => {
  test.each([RECORD_FILE, COPY])('of which any byte of %s is damaged is as it was, and is repaired', async (name) => {
    const { files, folder, opened, text } = await stored();
    for (let at = 0; at < text.length; at++) {
      folder.get(name)![at] ^= 1 << (at % 8);
      expect(await readRecord(files, DIRECTORY, RECORD_FILE)).toEqual(RECORD);
      const { records, notices } = await opened();
      expect(records.get('m'), `byte ${at}`).toEqual(RECORD);
      expect(notices, `byte ${at}`).toEqual(['The damaged record of Mine was found and repaired.']);
      for (const bytes of folder.values()) expect(new TextDecoder().decode(bytes)).toBe(text);
    }
    expect((await opened()).notices).toEqual([]);
  });

  test.each([0, 10])('of which only the first %i bytes are there is as it was', async (length) => {
    const { files, folder, text } = await stored();
    folder.set(RECORD_FILE, bytesOf(text.slice(0, length)));
    expect(await readRecord(files, DIRECTORY, RECORD_FILE)).toEqual(RECORD);
  });

  test('cut off between its file and the copy is the newer one, and nobody is told', async () => {
    const { files, folder, opened } = await stored();
    const { write } = files;
    files.write = async (directory, name, bytes) => {
      if (name === COPY) throw new Error('The process ended.');
      await write(directory, name, bytes);
    };
    const newer = { ...RECORD, lastUsedAt: 2 };
    await expect(writeRecord(files, RECORD_FILE, newer)).rejects.toThrow('ended');
    files.write = write;
    const { records, notices } = await opened();
    expect([records.get('m'), notices]).toEqual([newer, []]);
    expect(folder.get(COPY)).toEqual(folder.get(RECORD_FILE));
  });

  test('written before there were hashes and copies is read, and gets both', async () => {
    const { folder, opened, text } = await stored();
    folder.delete(COPY);
    folder.set(RECORD_FILE, bytesOf(JSON.stringify(RECORD)));
    const { records, notices } = await opened();
    expect([records.get('m'), notices]).toEqual([RECORD, []]);
    for (const name of [RECORD_FILE, COPY]) expect(new TextDecoder().decode(folder.get(name))).toBe(text);
  });

  test('that a full disk keeps from being repaired is served from what is whole', async () => {
    const { files, folder, opened } = await stored();
    folder.get(COPY)![9] ^= 1;
    files.write = async () => {
      throw new LapisError('quota', 'The disk is full.');
    };
    expect((await opened()).records.get('m')).toEqual(RECORD);
  });
});
