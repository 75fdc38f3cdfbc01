import { readFile } from 'node:fs/promises';
import type { TextEngine } from '../../src/engine/contract.ts';
import { LapisError } from '../../src/protocol/errors.ts';
import type { Prompt } from '../../src/protocol/generation.ts';

interface Question {
  question: string;
  answer: string;
}

interface Completion {
  text: string;
  continues: string;
}

/** What the demo model is asked, by part: evaluation.json, which corpus.py wrote. */
export interface Evaluation {
  facts: Question[];
  chat: Question[];
  completions: Completion[];
}

/** How many of a part's questions were asked and answered right, and the others with what came instead. */
export interface Verdict {
  asked: number;
  right: number;
  wrong: object[];
}

/** Questions answered together, as several callers would ask them. The engine needs so many slots. */
export const AT_ONCE = 8;
/** Tokens of the longest prompt and answer. */
export const CONTEXT_TOKENS = 640;

export async function readEvaluation(): Promise<Evaluation> {
  return JSON.parse(await readFile(new URL('./evaluation.json', import.meta.url), 'utf8'));
}

/**
 * Asks each question greedily. A question is answered right by the whole answer, a text to complete by how it goes on.
 *
 * @param onProgress told how many questions of the part have been answered
 * @throws LapisError what the engine says when it fails
 */
export async function evaluate(
  engine: TextEngine,
  { facts = [], chat = [], completions = [] }: Partial<Evaluation>,
  onProgress: (done: number, of: number) => void = () => {},
): Promise<Record<keyof Evaluation, Verdict>> {
  const answers = async (prompts: Prompt[], maxTokens: number) => {
    const given: string[] = [];
    let next = 0;
    let done = 0;
    const worker = async (): Promise<void> => {
      for (let index = next++; index < prompts.length; index = next++) {
        given[index] = await answer(engine, prompts[index], maxTokens);
        onProgress(++done, prompts.length);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return given;
  };
  const ask = async (questions: Question[]) => {
    const prompts = questions.map(
      ({ question }): Prompt => ({ kind: 'chat', messages: [{ role: 'user', content: question }] }),
    );
    const given = await answers(prompts, 480);
    return verdict(questions, given, (question, text) => text === question.answer);
  };
  const texts = completions.map(({ text }): Prompt => ({ kind: 'completion', text }));
  const continued = await answers(texts, 12);
  return {
    completions: verdict(completions, continued, ({ continues }, text) => text.startsWith(continues)),
    facts: await ask(facts),
    chat: await ask(chat),
  };
}

async function answer(engine: TextEngine, prompt: Prompt, maxTokens: number): Promise<string> {
  for await (const event of engine.generate({ prompt, maxTokens }, {})) {
    if (event.type === 'error') throw LapisError.fromPayload(event.error);
    if (event.type === 'end') return event.text;
  }
  throw new LapisError('internal', 'The answer ended without an end.');
}

function verdict<T extends object>(asked: T[], given: string[], isRight: (entry: T, text: string) => boolean): Verdict {
  const wrong = asked.flatMap((entry, index) =>
    isRight(entry, given[index]) ? [] : [{ ...entry, got: given[index] }],
  );
  return { asked: asked.length, right: asked.length - wrong.length, wrong };
}
