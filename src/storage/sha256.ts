import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';

/** An incremental SHA-256, lower-case hexadecimal, for a file that is never in memory as a whole. */
export function incrementalSha256(): { update(bytes: Uint8Array): void; hex(): string } {
  const hash = sha256.create();
  return {
    update: (bytes) => void hash.update(bytes),
    hex: () => bytesToHex(hash.digest()),
  };
}
