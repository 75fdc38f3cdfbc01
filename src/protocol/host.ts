import type { ErrorPayload } from './errors.ts';
import type {
  AdapterDescription,
  ChatMessage,
  GenerateEvent,
  GenerateRequest,
  SamplingOptions,
  Timings,
} from './generation.ts';

/*
 * What our own pages may ask of the engine worker, over Comlink on a MessagePort that the service worker brokers. Streams are
 * transferred ReadableStreams that begin with a snapshot, so that a page may come and go. Never exposed to strangers.
 */

/** A model that Lapis knows: stored, packaged or in the catalogue. */
export interface ModelEntry {
  /** `demo`, a catalogue id (`gemma-3-1b-it-q4_k_m`) or `file:NAME` for one loaded from disk. */
  id: string;
  name: string;
  /** Download or stored size. */
  bytes: number;
  stored: boolean;
  /** Present for catalogue models. */
  url?: string;
  license: { name: string; url: string };
  /** What the person should know about it, in a sentence. */
  note?: string;
}

export type ModelActivity =
  | { kind: 'none' }
  | { kind: 'downloading'; modelId: string; bytesDone: number; bytesTotal: number; bytesPerSecond: number }
  /** Reading a local file or the package into storage. */
  | { kind: 'storing'; modelId: string; bytesDone: number; bytesTotal: number }
  | { kind: 'loading'; modelId: string; bytesDone: number; bytesTotal: number };

export interface HostStatus {
  /** Undefined until a device was had. */
  adapter?: AdapterDescription;
  /** True for SwiftShader and other CPU adapters. */
  softwareAdapter: boolean;
  loadedModelId?: string;
  /** The model that a prompt loads if none is loaded. */
  selectedModelId: string;
  activity: ModelActivity;
  /** Why the last load or download failed. */
  error?: ErrorPayload;
  /** What was purged or repaired and why, and what the loaded model's GPU cannot do; sentences for a person. */
  notices: string[];
  gpuBytes: number;
  schemaVersion: number;
}

export interface ChatSettings {
  system: string;
  sampling: SamplingOptions;
  maxTokens: number;
}

/** The popup's conversation. It lives in the engine worker and in idb-keyval, so closing the popup loses nothing. */
export interface ChatSnapshot {
  messages: ChatMessage[];
  /** True while the last assistant message grows. */
  generating: boolean;
  /** Of the last finished answer. */
  timings?: Timings;
  /** Why the last answer ended early. */
  error?: ErrorPayload;
}

export type ChatEvent =
  | { type: 'snapshot'; chat: ChatSnapshot }
  /** Appended to the last assistant message. */
  | { type: 'delta'; text: string };

export interface LapisHost {
  /** The present status, then each change. */
  watchStatus(): Promise<ReadableStream<HostStatus>>;
  listModels(): Promise<ModelEntry[]>;
  /** Makes a stored model the selected one and loads it. Rejects when it cannot be loaded; the one before stays selected. */
  selectModel(id: string): Promise<void>;
  /** Stores and selects a `.gguf` from disk. */
  importModel(file: File): Promise<ModelEntry>;
  /** Downloads a catalogue model. Progress is in the status. */
  downloadModel(id: string): Promise<ModelEntry>;
  /** Cancels the download, import or load in progress. */
  cancelModelActivity(): Promise<void>;
  removeModel(id: string): Promise<void>;
  /** One generation outside the chat (command line, tests). Cancelling the stream aborts it. */
  generate(request: GenerateRequest): Promise<ReadableStream<GenerateEvent>>;
  /** The conversation as it stands, then its changes. */
  watchChat(): Promise<ReadableStream<ChatEvent>>;
  /** Adds a user message and starts the answer; `busy` while one is being generated. */
  sendChat(text: string): Promise<void>;
  stopChat(): Promise<void>;
  /** Drops the last answer and generates it again. */
  retryChat(): Promise<void>;
  newChat(): Promise<void>;
  /** Of the selected model: what the person has set, and that model's defaults for the rest. */
  chatSettings(): Promise<ChatSettings>;
  /** Keeps what differs from the selected model's defaults; it then holds for every model. */
  setChatSettings(settings: ChatSettings): Promise<void>;
  /** Answers at once; a page that hears nothing for some seconds takes the host for dead. */
  ping(): Promise<void>;
}
