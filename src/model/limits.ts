/*
 * What an untrusted model file may claim. A length from a file is compared with these before anything is allocated or looped
 * over, so a damaged or hostile header costs a sentence and no memory. Texts and lists in JavaScript take up to some tens of
 * bytes for each byte of a file: these limits together keep what any file's header can make below about 512 MB.
 */

/** Limits on a GGUF header. */
export const GGUF_LIMITS = {
  /** Gemma's header is 6.6 MB, nearly all of it the vocabulary; ten times that leaves room for any tokenizer. */
  headerBytes: 64 * 1024 * 1024,
  /** Files in circulation have 25 to 60 entries. */
  metadata: 4096,
  /** Gemma 3 27B has 808, with its vision tower about 1,250. */
  tensors: 16_384,
  /** GGUF allows keys of 65,535 bytes; GGML's tensor names end at 64. None in circulation is longer than 100. */
  nameBytes: 1024,
  /** The longest in circulation are chat templates of some 20 kB and licences of about 100 kB. */
  stringBytes: 4 * 1024 * 1024,
  /** Of all arrays together: Gemma's three of the vocabulary have 786,432. */
  arrayElements: 4 * 1024 * 1024,
  /** GGML's tensors have at most 4. */
  dimensions: 4,
  /** The largest of Gemma 3, the 27B's embedding, has 1.4e9; the limit also keeps byte counts exact in a double. */
  tensorElements: 2 ** 40,
  /** 32 in practice; more than a page would only waste space. */
  alignment: 65_536,
} as const;

/** Limits on a model's hyper-parameters, each well above Gemma 3 27B's (hidden 5376, feed-forward 21,504, 62 layers). */
export const CONFIG_LIMITS = {
  hiddenSize: 65_536,
  feedForwardSize: 1_048_576,
  layerCount: 1024,
  headCount: 1024,
  kvHeadCount: 1024,
  headDim: 4096,
  /** Gemma's is 262,144 (262,208 rows in the multimodal files). Rows without a piece are given one, so it costs memory. */
  vocabularySize: 1024 * 1024,
  contextLength: 16 * 1024 * 1024,
  /** 512 or 1024; a window may be as long as the context. */
  slidingWindow: 16 * 1024 * 1024,
  /** 6; one more than there are layers when none is global. */
  slidingWindowPattern: 1025,
} as const;

/** Limits on a vocabulary. */
export const TOKENIZER_LIMITS = {
  /** UTF-16 units of a piece: Gemma's longest has 31. At each place of a text, pieces are tried up to their length. */
  pieceLength: 512,
  /** Units of all pieces that are taken whole (control and user-defined): Gemma's have 75,787. Each may cost some 200 bytes. */
  wholePieces: 512 * 1024,
} as const;

/** Limits on JSON, whose brackets cost up to thirty times their length in memory. */
export const JSON_LIMITS = {
  /** The deepest file of a folder, tokenizer.json, has 6 levels. */
  depth: 32,
  /** tokenizer.json of Gemma 3 has 2.1 million. */
  values: 4 * 1024 * 1024,
} as const;

/** Limits on the files of a Hugging Face folder. */
export const FOLDER_LIMITS = {
  /** Gemma 3 27B's is about 2 kB. */
  configBytes: 1024 * 1024,
  /** tokenizer.json of Gemma 3 has 33 MB, tokenizer_config.json 1.2 MB, tokenizer.model 4.7 MB. */
  tokenizerBytes: 64 * 1024 * 1024,
  /** The index of 27B names 1,247 tensors in about 110 kB. */
  indexBytes: 4 * 1024 * 1024,
  /** 27B's weights are in 12 files. */
  files: 256,
  /** A safetensors header has about 100 bytes a tensor; the format itself allows 100 MB. */
  safetensorsHeaderBytes: 4 * 1024 * 1024,
  /** Of all files together: 27B has 1,247. */
  tensors: 16_384,
  /** A vision tower's convolution has 4. */
  dimensions: 8,
} as const;

/** Limits on a shard folder's manifest. */
export const MANIFEST_LIMITS = {
  /** Gemma's has about 9 MB, nearly all of it the vocabulary. */
  bytes: 64 * 1024 * 1024,
  /** 27B in BF16 has about 860; this is a terabyte. */
  shards: 16_384,
  /** An id is a name from the catalogue, a file's name or an address. */
  idLength: 2048,
} as const;
