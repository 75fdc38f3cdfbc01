/**
 * The version of everything that turns source bytes into what is stored and loaded: readers, codecs, the norm rule, the shard
 * layout, the vocabulary. Stores and shard folders carry it; one made under another version is never served. Raise it whenever
 * schema-version.test.ts says that the processing has changed.
 */
export const WEIGHTS_SCHEMA_VERSION = 1;
