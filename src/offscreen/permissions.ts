import * as v from 'valibot';
import type { ConsentAnswer, ConsentAsked, ConsentQuestion, Consents } from '../protocol/consent.ts';
import type { DoorPermission, DoorPort } from '../protocol/door.ts';
import { LapisError } from '../protocol/errors.ts';

export interface PermissionOptions {
  consents: Consents;
  /**
   * Opens the consent window, which then connects and is given to `serveWindow`. Resolves when the window has been closed, and
   * rejects when it cannot be opened.
   */
  openWindow: () => Promise<void>;
  /** How long the window may take to connect. */
  openWithinMs?: number;
}

/** The question that the person is being asked. */
interface OpenQuestion {
  question: ConsentQuestion;
  answered: Promise<boolean>;
  answer: (allowed: boolean) => void;
  fail: (error: LapisError) => void;
  window?: DoorPort;
}

const answerSchema = v.strictObject({ allowed: v.boolean() });

/**
 * Decides whether another extension may ask for answers: by the record, or by asking the person. One window at a time in all and
 * one question for each extension: its answer, or the window's closing as a denial, is remembered until the person changes it in
 * the settings, so an extension cannot ask its way to a yes.
 */
export class Permissions {
  readonly #options: Required<PermissionOptions>;
  #open: OpenQuestion | undefined;

  constructor(options: PermissionOptions) {
    this.#options = { openWithinMs: 20_000, ...options };
  }

  /** Whether the person is being asked. */
  get asking(): boolean {
    return this.#open !== undefined;
  }

  async state(id: string): Promise<DoorPermission> {
    const record = await this.#options.consents.get(id);
    if (!record) return 'unasked';
    return record.allowed ? 'allowed' : 'denied';
  }

  /**
   * Resolves when the extension may go on; asks the person, and calls `onAsking`, if nothing is on record.
   * @throws LapisError `not-allowed`, or `busy` while the person is asked about another extension
   */
  async require(question: ConsentQuestion, onAsking: () => void): Promise<void> {
    const state = await this.state(question.id);
    if (state === 'allowed') return;
    if (state === 'denied') throw denied();
    onAsking();
    if (!(await this.#ask(question))) throw denied();
  }

  /** Counts a request of an allowed extension. */
  countUse(id: string): Promise<void> {
    return this.#options.consents.countUse(id);
  }

  /** Serves the consent window: tells it the open question and takes its answer. */
  serveWindow(port: DoorPort): void {
    const open = this.#open;
    // A second window for the same question would make two answers.
    const question = open && !open.window ? open.question : undefined;
    if (open && question) open.window = port;
    port.postMessage({ question } satisfies ConsentAsked);
    if (!open || !question) return;
    port.onMessage.addListener((message) => {
      const answer = v.safeParse(answerSchema, message);
      if (answer.success) open.answer((answer.output satisfies ConsentAnswer).allowed);
    });
    port.onDisconnect.addListener(() => open.answer(false));
  }

  #ask(question: ConsentQuestion): Promise<boolean> {
    if (this.#open) {
      if (this.#open.question.id === question.id) return this.#open.answered;
      throw new LapisError('busy', 'Lapis is asking the person about another extension; try again in a moment.');
    }
    const { consents, openWindow, openWithinMs } = this.#options;
    let answer!: (allowed: boolean) => void;
    let fail!: (error: LapisError) => void;
    const decided = new Promise<boolean>((resolve, reject) => {
      answer = resolve;
      fail = reject;
    });
    const notOpened = (cause?: unknown) =>
      fail(new LapisError('internal', 'The window that asks for permission could not be opened.', { cause }));
    const timer = setTimeout(() => {
      if (!open.window) notOpened();
    }, openWithinMs);
    const answered = decided
      .then(async (allowed) => {
        await consents.decide(question.id, allowed, question.name);
        return allowed;
      })
      .finally(() => {
        clearTimeout(timer);
        this.#open = undefined;
      });
    const open: OpenQuestion = { question, answered, answer, fail };
    this.#open = open;
    // A window that has connected answers for itself, by its port; one that is closed before that has denied just as well.
    openWindow().then(
      () => {
        if (!open.window) answer(false);
      },
      (cause) => {
        if (!open.window) notOpened(cause);
      },
    );
    return answered;
  }
}

function denied(): LapisError {
  return new LapisError(
    'not-allowed',
    'The person has not allowed this extension to use Lapis; that can be changed in the settings of Lapis.',
  );
}

/** The error of a request under way when the person takes the permission back. */
export function revoked(): LapisError {
  return new LapisError('not-allowed', 'The person has taken the permission to use Lapis back.');
}

/** A name as a caller gives it, safe to show: one line, no characters that turn or hide text; undefined when nothing is left. */
export function presentableName(name: string | undefined): string | undefined {
  // Controls, format characters (among them the bidirectional ones), surrogates and line separators.
  const clean = name
    ?.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '')
    .replace(/\s+/g, ' ')
    .trim();
  return clean || undefined;
}
