import type { BenchmarkEvent } from './benchmark.ts';
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
  /** Present for what can be downloaded. */
  url?: string;
  license: { name: string; url: string };
  /** What the person should know about it, in a sentence. */
  note?: string;
  /** Present for a model in storage. */
  details?: StoredModelDetails;
  /** Why its answers are not to be trusted, in a sentence: its probe failed on this machine. */
  suspect?: string;
  /** Why what is stored of it cannot be used as it is, and what to do, in a sentence. `bytes` are those. */
  waiting?: string;
  /** What it waits for is not its file or folder: `selectModel` tries again to make it usable. */
  renewable?: true;
  /** It was stored and had to be deleted; `removeModel` forgets it. */
  purged?: true;
}

/** What is known about a model from its stored files. */
export interface StoredModelDetails {
  parameters: number;
  /** Bytes of the weights by tensor type, largest first. */
  types: { type: string; bytes: number }[];
  /** All files of the model. */
  diskBytes: number;
  /** GPU memory that it needs at the default context length. */
  gpuBytes: number;
  /** Milliseconds since 1970; absent when it was never loaded. */
  lastUsedAt?: number;
  /** Of the code that made what is derived from the file. */
  schemaVersion: number;
  /** Where it came from: a URL, a file name or the package; in words. */
  source: string;
  /** Of the whole source file. */
  sha256?: string;
}

/** What `findModel` found; nothing of the model itself has been downloaded yet. */
export interface FoundModel {
  /** For `downloadModel`. */
  modelId: string;
  name: string;
  bytes: number;
  /** With the revision that was found. */
  url: string;
  license: { name: string; url: string };
  /** Whether the source named the SHA-256 of the file; else the hash of what comes is recorded. */
  pinned: boolean;
}

/** A long operation on one stored model, one at a time; downloads are beside it. */
export type ModelActivity =
  | { kind: 'none' }
  | {
      /** `storing`: a local file or the package is read into storage. `importing`: a shard folder or a Hugging Face folder is.
       * `probing`: it was stored, and is asked what it must know; whatever a person asks for ends that. */
      kind: 'storing' | 'loading' | 'verifying' | 'exporting' | 'importing' | 'probing';
      modelId: string;
      bytesDone: number;
      bytesTotal: number;
      /** It was cancelled, and ends when the step that is under way has. */
      cancelling?: true;
    };

/** Whether something has to end before the person can begin another long operation. */
export function isInTheWay({ kind }: ModelActivity): boolean {
  return kind !== 'none' && kind !== 'probing';
}

/**
 * `queued` waits for the download before it. `retrying` waits for its next attempt. `preparing` has all bytes and derives what is
 * served from them. `paused` and `failed` keep what was fetched, and go on with `resumeDownload`.
 */
export type DownloadPhase = 'queued' | 'downloading' | 'retrying' | 'paused' | 'preparing' | 'failed';

export interface DownloadState {
  modelId: string;
  name: string;
  phase: DownloadPhase;
  /** Where the bytes come from. */
  host: string;
  bytesDone: number;
  bytesTotal: number;
  /** Of the last seconds; only while downloading. */
  bytesPerSecond?: number;
  /** At that speed. */
  secondsLeft?: number;
  /** Of the next attempt, in milliseconds since 1970; only while retrying. */
  retryAt?: number;
  /** What happened, in a sentence: that the source changed and the download began anew, say. */
  notice?: string;
  /** It rests because its source has a file of another size, whose `bytesTotal` nobody has asked for. */
  anotherSize?: true;
  /** Why it failed, or is being tried again. */
  error?: ErrorPayload;
}

/** What a verification found, in sentences, one for each damaged file; what is not in `repaired` still is. */
export interface VerifyResult {
  damaged: string[];
  repaired: string[];
}

/** What was purged or repaired and why, a sentence for a person; kept until `dismissNotices`. */
export interface Notice {
  /** Milliseconds since 1970; no two have the same. */
  at: number;
  text: string;
}

export interface HostStatus {
  /** Undefined until a device was had. */
  adapter?: AdapterDescription;
  /** True for SwiftShader and other CPU adapters. */
  softwareAdapter: boolean;
  /** WebGPU features in use; undefined until a device was had. */
  features?: string[];
  loadedModelId?: string;
  /** The model that a prompt loads if none is loaded. */
  selectedModelId: string;
  activity: ModelActivity;
  /** Every download that is not finished, the oldest first. */
  downloads: DownloadState[];
  /** Grows whenever `listModels` would give another answer. */
  models: number;
  /** Why the answers of the loaded model are not to be trusted, in a sentence. */
  suspect?: string;
  /** What all models and unfinished downloads take on the disk, and how much more the browser would store. */
  storage?: { usedBytes: number; freeBytes?: number };
  /** Why the last load or other activity failed. */
  error?: ErrorPayload;
  /** What happened to stored models that nobody has read yet, the oldest first. */
  notices: Notice[];
  /** What the loaded model's GPU cannot do, in a sentence. */
  kernelNotice?: string;
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
  /** A question that has no answer stays; once another follows, prompts leave it out. */
  messages: ChatMessage[];
  /** True while the last assistant message grows. */
  generating: boolean;
  /** Of the last finished answer. */
  timings?: Timings;
  /** Why the last answer ended early; `aborted` only for one that was stopped before it said anything. */
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
  /**
   * Looks up a URL, or a file on the hub as `owner/repo/file` or `owner/repo@revision/file`: its size and what pins its content.
   * Rejects with `bad-request`, `network` or `unsupported`.
   */
  findModel(text: string): Promise<FoundModel>;
  /**
   * Starts, resumes or joins the download of a catalogue model or a found one. Resolves when it is stored; rejects when it fails
   * or is cancelled, and with `not-allowed` until the terms of its license have been accepted. Progress is in the status. It goes
   * on without the page that asked, through a crash and a restart of the browser.
   */
  downloadModel(id: string): Promise<ModelEntry>;
  /** Keeps what was fetched; the download stays paused, also in the next session, until `resumeDownload`. */
  pauseDownload(id: string): Promise<void>;
  /** Goes on with a paused or failed download. */
  resumeDownload(id: string): Promise<void>;
  /** Ends a download and deletes what was fetched. */
  cancelDownload(id: string): Promise<void>;
  /** Records that the person has read and accepted the terms at this address (a `license.url`). */
  acceptTerms(url: string): Promise<void>;
  acceptedTerms(): Promise<string[]>;
  /** Cancels what `activity` shows. Downloads have `cancelDownload`. */
  cancelModelActivity(): Promise<void>;
  /** Gives the loaded model's GPU memory back; the next prompt loads it again, and opening the conversation does not. */
  unloadModel(): Promise<void>;
  removeModel(id: string): Promise<void>;
  /** Hashes every file of a stored model and brings damaged ones back from its source where that can be had. */
  verifyModel(id: string): Promise<VerifyResult>;
  /** Writes the model as a shard folder into `directory`, for which the page has the person's permission to write. */
  exportModel(id: string, directory: FileSystemDirectoryHandle): Promise<void>;
  /** Stores the model in a shard folder or a Hugging Face folder; the latter is quantized on the way. */
  importFolder(directory: FileSystemDirectoryHandle): Promise<ModelEntry>;
  /** Forgets the notices of these times. */
  dismissNotices(times: readonly number[]): Promise<void>;
  /** One generation outside the chat (command line, tests). Cancelling the stream aborts it. */
  generate(request: GenerateRequest): Promise<ReadableStream<GenerateEvent>>;
  /**
   * Measures the selected model, which is loaded if need be: progress, then one result or error. Cancelling the stream ends it, and
   * so does an answer that is asked for meanwhile. `busy` while one is being generated.
   */
  runBenchmark(): Promise<ReadableStream<BenchmarkEvent>>;
  /** The conversation as it stands, then its changes. Loads the selected model, unless `unloadModel` was the last that the person did with it. */
  watchChat(): Promise<ReadableStream<ChatEvent>>;
  /** Adds a user message and starts the answer; `busy` while one is being generated. */
  sendChat(text: string): Promise<void>;
  stopChat(): Promise<void>;
  /** Drops the last answer, if there is one, and answers the last question again. */
  retryChat(): Promise<void>;
  newChat(): Promise<void>;
  /** Of the selected model: what the person has set, and that model's defaults for the rest. */
  chatSettings(): Promise<ChatSettings>;
  /** Keeps what differs from the selected model's defaults; it then holds for every model. */
  setChatSettings(settings: ChatSettings): Promise<void>;
  /** Answers at once; a page that hears nothing for some seconds takes the host for dead. */
  ping(): Promise<void>;
}
