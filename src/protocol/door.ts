import type { ErrorPayload } from './errors.ts';
import type { FinishReason, GenerateRequest, SamplingOptions } from './generation.ts';

/*
 * The door: what Lapis and strangers (other extensions, the card in a page) say to each other over a runtime port. JSON only, one
 * closed union for each direction, every message validated (door-schema.ts). docs/protocol.md explains it to authors of extensions.
 */

/** The version is part of the port's name: a change that an older client would not understand gets another name. */
export const DOOR_VERSION = 1;

/** The name with which a client calls `runtime.connect`. */
export const DOOR_NAME = 'lapis/1';

/** Every version's port name begins so; a version that Lapis does not speak gets a sentence instead of silence. */
export const DOOR_PREFIX = 'lapis/';

/** Everything that a stranger may take, in one place. Beyond a limit there is an error, never a silent cut. */
export const DOOR_LIMITS = {
  /** Of the prompt: all messages together. Some 50,000 tokens, more than fits most contexts that a laptop can hold. */
  promptCharacters: 200_000,
  /** In one chat prompt. */
  messages: 256,
  /** A request's id, chosen by the client. */
  idCharacters: 64,
  /** The name that a client gives itself; it has to fit one line of the permission window. */
  nameCharacters: 60,
  /** Tokens in one answer. */
  maxTokens: 4_096,
  /** Tokens in an answer for which the client named no number. */
  defaultMaxTokens: 256,
  stopStrings: 8,
  stopCharacters: 64,
  /** Open ports of one caller. */
  ports: 8,
  /** Answers that are being generated for one caller, over all its ports; each port has one at most. */
  running: 2,
  /** Messages of one caller in any 60 seconds. A person's typing stays far below; a loop does not. */
  messagesPerMinute: 120,
  /** Messages that do not fit the protocol, before the port is closed. */
  badMessages: 16,
} as const;

/** Lapis says something on a port with a request under way at least this often (`waiting`, if there is nothing else to say). */
export const DOOR_HEARTBEAT_MS = 5_000;

/** A client that has heard nothing for this long takes Lapis for dead: three heartbeats. */
export const DOOR_SILENCE_MS = 15_000;

/** What a stranger may ask of a generation: no log-probabilities, everything else as inside Lapis. */
export type DoorGenerateRequest = Omit<GenerateRequest, 'sampling'> & {
  sampling?: Omit<SamplingOptions, 'logProbabilities'>;
};

/** From the client. `id` is its own choice and comes back in every answer to the request. */
export type DoorRequest =
  /** Starts an answer. `name` is what the client calls itself; the person sees it marked as unverified. */
  | { type: 'generate'; id: string; request: DoorGenerateRequest; name?: string }
  /** Ends the generation with this id: it gets its `end` with the finish reason `abort`. */
  | { type: 'cancel'; id: string }
  | { type: 'status'; id: string };

/** `unasked`: the first `generate` opens the permission window. */
export type DoorPermission = 'allowed' | 'denied' | 'unasked';

/** To the client. Each `generate` gets exactly one `end` or `error` after all else; each `status` one `status` or `error`. */
export type DoorEvent =
  /** Nothing to read yet, but Lapis lives: it waits for the person's permission, or for the engine. */
  | { type: 'waiting'; id: string; for: 'permission' | 'engine' }
  | {
      type: 'start';
      id: string;
      promptTokens: number;
      /** Why the model's answers are not to be trusted, in a sentence: it failed its probe on this machine. Said before the text. */
      suspect?: string;
    }
  | { type: 'text'; id: string; text: string }
  | {
      type: 'end';
      id: string;
      finishReason: FinishReason;
      usage: { promptTokens: number; completionTokens: number };
      /** Of the decode; absent when nothing was decoded. */
      tokensPerSecond?: number;
      /** As in `start`, for who reads only the whole answer. */
      suspect?: string;
    }
  | {
      type: 'status';
      id: string;
      version: number;
      permission: DoorPermission;
      /** The model that a request would use; only for callers that are allowed. */
      model?: {
        id: string;
        loaded: boolean;
        /** As in `start`; of its last load while it is not loaded. */
        suspect?: string;
      };
    }
  /** Without an `id`, the message could not be read well enough to have one. */
  | { type: 'error'; id?: string; error: ErrorPayload };

/** Sent with `runtime.sendMessage` before connecting: Lapis starts what it needs, then answers. */
export interface WakeMessage {
  lapis: 'wake';
}

/** The answer to a wake message. */
export interface AwakeMessage {
  lapis: 'awake';
  /** The versions whose port names Lapis answers. */
  versions: number[];
}

/** What both kinds of runtime port (Chrome's and the polyfill's) have. */
export interface DoorPort {
  readonly name: string;
  postMessage(message: unknown): void;
  disconnect(): void;
  readonly onMessage: PortEvent<(message: unknown) => void>;
  readonly onDisconnect: PortEvent<() => void>;
}

interface PortEvent<T> {
  addListener(listener: T): void;
  removeListener(listener: T): void;
}

/** Whether a value from outside is an object of the kind `{lapis: kind}`. */
export function isWake(message: unknown): message is WakeMessage {
  return typeof message === 'object' && message !== null && (message as { lapis?: unknown }).lapis === 'wake';
}
