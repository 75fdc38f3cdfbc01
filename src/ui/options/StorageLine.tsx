import type { HostStatus } from '../../protocol/host.ts';
import { formatBytes } from '../format.ts';
import { strings } from '../strings.ts';

/** How much disk all models and unfinished downloads take, and how much the browser would still give. */
export function StorageLine({ storage }: { storage: HostStatus['storage'] }) {
  if (!storage) return null;
  const { usedBytes, freeBytes } = storage;
  return (
    <p class="quiet storage">
      {strings.models.used(formatBytes(usedBytes))}
      {freeBytes !== undefined && ` · ${strings.models.free(formatBytes(freeBytes))}`}
    </p>
  );
}
