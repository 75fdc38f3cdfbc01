import { LapisError } from '../../protocol/errors.ts';
import type { ModelEntry } from '../../protocol/host.ts';
import { strings } from '../strings.ts';

// Chromium's pickers and dropped handles, which TypeScript's DOM types leave out.
declare global {
  interface Window {
    showDirectoryPicker(options?: { id?: string; mode?: 'read' | 'readwrite' }): Promise<FileSystemDirectoryHandle>;
  }
  interface DataTransferItem {
    getAsFileSystemHandle(): Promise<FileSystemFileHandle | FileSystemDirectoryHandle | null>;
  }
}

/** The folder of a model to import. @throws an AbortError when the person closes the picker */
export function pickImportFolder(): Promise<FileSystemDirectoryHandle> {
  return window.showDirectoryPicker({ id: 'lapis-import', mode: 'read' });
}

/** A folder of the model's own in the one that the person picks. @throws an AbortError when the person closes the picker */
export async function pickExportFolder(model: ModelEntry): Promise<FileSystemDirectoryHandle> {
  const parent = await window.showDirectoryPicker({ id: 'lapis-export', mode: 'readwrite' });
  return parent.getDirectoryHandle(exportFolderName(model.id), { create: true });
}

/** A name that every file system takes, whatever stands in the id. */
export function exportFolderName(id: string): string {
  const name = id
    .replace(/^file:/, '')
    .replace(/\.gguf$/i, '')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[.-]+/, '')
    .slice(0, 80)
    .replace(/[.-]+$/, '');
  // The word in front keeps names such as CON, which Windows reserves, out of the way.
  return `lapis-${name || 'model'}`;
}

/**
 * The one file or folder that was dropped. Call it in the event: the browser forgets its items right after.
 *
 * @throws LapisError `bad-request` when it is more than one, or cannot be read
 */
export async function dropped(transfer: DataTransfer): Promise<File | FileSystemDirectoryHandle> {
  const items = [...transfer.items].filter(({ kind }) => kind === 'file');
  const files = [...transfer.files];
  const handle = items.length === 1 ? items[0].getAsFileSystemHandle() : undefined;
  if (items.length > 1) throw new LapisError('bad-request', strings.import.one);
  // What has no handle, such as a file that another program offers, may still be a file.
  const known = await handle?.catch(() => null);
  if (known?.kind === 'directory') return known;
  const file = files.at(0);
  if (!file) throw new LapisError('bad-request', strings.import.failed);
  return file;
}
