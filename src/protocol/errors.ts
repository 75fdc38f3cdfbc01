/** Every way in which Lapis fails, as one closed union shared by all contexts and by docs/protocol.md. */
export const ERROR_CODES = [
  'aborted', // the caller, or a closed connection, ended the operation
  'bad-request', // a message or argument that does not fit the schema or a limit
  'busy', // the queue or a quota is full
  'context-overflow', // prompt and answer do not fit the model's context
  'corrupt', // bytes do not hash to what they should, or a file is damaged
  'device-lost', // the GPU device went away and could not be had again
  'internal', // a defect in Lapis
  'network', // a download failed
  'no-gpu', // no WebGPU adapter, or one that lacks what is needed
  'no-model', // no model is loaded, or the named one is unknown
  'not-allowed', // the person has not allowed this caller
  'not-gemma', // a readable model file of another architecture
  'peer-lost', // the context at the other end died
  'quota', // the disk or the browser's quota is full, or the disk refuses to write
  'stale', // stored under another schema version
  'unsupported', // a feature, tensor type or file version that is not supported
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** An error as it crosses a channel: JSON-safe. */
export interface ErrorPayload {
  code: ErrorCode;
  message: string;
}

/** The one error class. `message` is a sentence for a person; `cause` keeps what led to it. */
export class LapisError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LapisError';
    this.code = code;
  }

  /** Any thrown value as a LapisError: DOMException AbortError becomes `aborted`, the unknown `internal`. */
  static from(error: unknown): LapisError {
    if (error instanceof LapisError) return error;
    if (error instanceof Error && error.name === 'AbortError') {
      return new LapisError('aborted', 'The operation was cancelled.', { cause: error });
    }
    return new LapisError('internal', error instanceof Error ? error.message : String(error), { cause: error });
  }

  static fromPayload(payload: ErrorPayload): LapisError {
    return new LapisError(payload.code, payload.message);
  }

  toPayload(): ErrorPayload {
    return { code: this.code, message: this.message };
  }
}
