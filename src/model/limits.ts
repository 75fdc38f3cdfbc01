/*
 * What an untrusted model file may claim. A length from a file is compared with these before anything is allocated or looped
 * over, so a damaged or hostile header costs a sentence and no memory.
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
  /** Gemma's vocabulary has 262,144 pieces. */
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
  headDim: 4096,
  /** Gemma's is 262,144 (262,208 rows in the multimodal files). */
  vocabularySize: 4 * 1024 * 1024,
  contextLength: 16 * 1024 * 1024,
} as const;

/** Limits on the files of a Hugging Face folder. */
export const FOLDER_LIMITS = {
  /** Gemma 3 27B's is about 2 kB. */
  configBytes: 1024 * 1024,
  /** tokenizer.json of Gemma 3 has 33 MB, tokenizer_config.json 1.2 MB, tokenizer.model 4.7 MB. */
  tokenizerBytes: 256 * 1024 * 1024,
  /** The index of 27B names 1,247 tensors in about 110 kB. */
  indexBytes: 16 * 1024 * 1024,
  /** A safetensors header has about 100 bytes a tensor; the format itself allows 100 MB. */
  safetensorsHeaderBytes: 16 * 1024 * 1024,
} as const;
