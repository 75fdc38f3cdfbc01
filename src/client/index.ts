import type { AwakeMessage, DoorEvent, DoorGenerateRequest } from '../protocol/door.ts';
import { DOOR_NAME, DOOR_VERSION } from '../protocol/door.ts';
import type { DoorCallOptions, DoorLine, DoorProgress } from '../protocol/door-caller.ts';
import { callGenerate, callStatus } from '../protocol/door-caller.ts';
import { LapisError } from '../protocol/errors.ts';

export type { DoorGenerateRequest as LapisRequest, DoorPermission as LapisPermission } from '../protocol/door.ts';
export type { DoorCallOptions as LapisCallOptions, DoorProgress as LapisEvent } from '../protocol/door-caller.ts';
export type { ErrorCode } from '../protocol/errors.ts';
export type { ChatMessage, Prompt, SamplingOptions } from '../protocol/generation.ts';
export { LapisError };

export type LapisStatus = Omit<Extract<DoorEvent, { type: 'status' }>, 'type' | 'id'>;

/** An installed Lapis that answered. It holds nothing open: each call has a connection of its own. */
export interface Lapis {
  /**
   * Generates an answer, event by event; returns after `end`. The first call opens Lapis's permission window and waits for the person.
   * Breaking out of the loop, or the signal, ends the generation.
   * @throws LapisError, whose `code` is one of ERROR_CODES in docs/protocol.md
   */
  generate(request: DoorGenerateRequest, options?: DoorCallOptions): AsyncIterable<DoorProgress>;
  /** The whole answer as one string; `status().model.suspect` tells whether to doubt it. @throws LapisError as `generate` does */
  complete(request: DoorGenerateRequest, options?: DoorCallOptions): Promise<string>;
  /** Whether the person has allowed this extension, which model would answer and whether it is suspect. Never opens a window. */
  status(options?: DoorCallOptions): Promise<LapisStatus>;
}

export interface ConnectOptions {
  /** What your extension calls itself, at most 60 characters. The person sees it, marked as unverified, beside the id. */
  name?: string;
}

/**
 * Finds Lapis by its extension id and wakes it.
 * @throws LapisError `peer-lost` when no Lapis with this id is installed and enabled, `unsupported` when it speaks other versions only
 */
export async function connectLapis(extensionId: string, { name }: ConnectOptions = {}): Promise<Lapis> {
  const line: DoorLine = {
    wake: () => chrome.runtime.sendMessage(extensionId, { lapis: 'wake' }),
    connect: () => chrome.runtime.connect(extensionId, { name: DOOR_NAME }),
    lastError: () => chrome.runtime.lastError?.message,
    ...(name === undefined ? {} : { name }),
  };
  let answer: AwakeMessage | undefined;
  try {
    answer = (await line.wake()) as AwakeMessage | undefined;
  } catch (cause) {
    throw new LapisError('peer-lost', `No extension with the id ${extensionId} answers: is Lapis installed?`, {
      cause,
    });
  }
  if (answer?.lapis !== 'awake' || !Array.isArray(answer.versions)) {
    throw new LapisError('peer-lost', `The extension with the id ${extensionId} does not answer as Lapis does.`);
  }
  if (!answer.versions.includes(DOOR_VERSION)) {
    throw new LapisError('unsupported', `This Lapis does not speak version ${DOOR_VERSION} of the protocol.`);
  }
  return {
    generate: (request, options) => callGenerate(line, request, options),
    async complete(request, options) {
      let text = '';
      for await (const event of callGenerate(line, request, options)) if (event.type === 'text') text += event.text;
      return text;
    },
    async status(options) {
      const { type: _type, id: _id, ...status } = await callStatus(line, options);
      return status;
    },
  };
}
