import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';

/** The longest name of a model that is shown and kept; file systems end at 255. */
const LONGEST_NAME = 120;

/** Control and formatting characters, which make a name read as another, and what is left of broken UTF-16. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]+/gu;

/**
 * A name from outside as one that can be shown in a line: without invisible characters, of bounded length. Two names that
 * differ stay different.
 */
export function cleanName(name: string): string {
  const visible = name.replace(INVISIBLE, ' ').trim();
  if (visible === name && name.length <= LONGEST_NAME && name.length > 0) return name;
  return `${visible.slice(0, LONGEST_NAME)} ${bytesToHex(sha256(utf8ToBytes(name))).slice(0, 8)}`.trim();
}
