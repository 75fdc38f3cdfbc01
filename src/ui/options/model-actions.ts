import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { ErrorPayload } from '../../protocol/errors.ts';
import { LapisError } from '../../protocol/errors.ts';
import type { ModelEntry, VerifyResult } from '../../protocol/host.ts';
import { isInTheWay } from '../../protocol/host.ts';
import { isUnderWay } from '../../protocol/kept-downloads.ts';
import { harmlessly } from '../harmless.ts';
import type { HostState } from '../host/host-state.ts';
import { strings } from '../strings.ts';
import { pickExportFolder } from './folders.ts';

/** After so many the person should hear of it. */
const DEATHS_SURVIVED = 5;

/** What the last thing that was done with a model came to. */
export type Outcome = { kind: 'verified'; result: VerifyResult } | { kind: 'exported'; folder: string };

/** What the person can do with models, and what came of it. */
export interface ModelActions {
  /** Why the last action failed, if it was for this model (`''` for what has no model yet). */
  failureOf(id: string): ErrorPayload | undefined;
  outcomeOf(id: string): Outcome | undefined;
  /** Whether something that was asked for this model (`''` as above) begins when the engine has started. */
  isQueued(id: string): boolean;
  /** Said aloud by screen readers. */
  announcement: string;
  hasAccepted(termsUrl: string): boolean;
  /** Resolves to whether it was recorded. */
  accept(id: string, termsUrl: string): Promise<boolean>;
  use(id: string): void;
  unload(id: string): void;
  verify(id: string): void;
  export(model: ModelEntry): void;
  remove(model: ModelEntry): void;
  /** Starts a download, or goes on with one that waits. Whoever downloads a model wants to use it: it is selected then. */
  download(id: string): void;
  pause(id: string): void;
  resume(id: string): void;
  cancelDownload(id: string): void;
  importFile(file: File): void;
  importFolder(pick: () => Promise<FileSystemDirectoryHandle>): void;
  /** Shows a reason not to import, as an action that failed. */
  refuseImport(error: LapisError): void;
  cancelActivity(): Promise<unknown>;
}

export function useModelActions(state: HostState): ModelActions {
  const { host } = state;
  const subject = useSignal<string | undefined>(undefined);
  const queued = useSignal<string | undefined>(undefined);
  const outcome = useSignal<{ id: string; outcome: Outcome } | undefined>(undefined);
  const accepted = useSignal<readonly string[]>([]);
  const announcement = useSignal('');
  const followed = useRef(new Set<string>()).current;

  const connected = state.status.value !== undefined;
  useEffect(() => {
    if (!connected) return;
    host.acceptedTerms().then(
      (urls) => {
        accepted.value = urls;
      },
      // The terms are then asked for once more than needed.
      () => {},
    );
  }, [connected]);

  const act = (id: string, action: () => Promise<unknown>): Promise<boolean> => {
    subject.value = id;
    outcome.value = undefined;
    return state.attempt(action);
  };
  /** One model is worked on at a time; downloads go on beside it. While the engine starts nobody knows, so this waits. */
  const untilFree = async (id: string) => {
    if (!state.status.value) queued.value = id;
    try {
      const { activity } = await state.reached();
      if (isInTheWay(activity)) throw new LapisError('busy', strings.models.busy);
    } finally {
      queued.value = undefined;
    }
  };
  const actAlone = (id: string, action: () => Promise<unknown>): Promise<boolean> =>
    act(id, async () => {
      await untilFree(id);
      await action();
    });
  const report = (id: string, result: Outcome, words: string) => {
    outcome.value = { id, outcome: result };
    announcement.value = words;
  };

  /** Joins a download to its end. An engine that dies under it comes back and goes on; so does this. */
  const joined = async (id: string): Promise<ModelEntry> => {
    for (let deaths = 0; ; deaths++) {
      try {
        return await host.downloadModel(id);
      } catch (error) {
        if (LapisError.from(error).code !== 'peer-lost' || deaths === DEATHS_SURVIVED) throw error;
        const download = state.status.value?.downloads.find(({ modelId }) => modelId === id);
        // To join one that rests would set it going.
        if (download && !isUnderWay(download))
          throw new LapisError('aborted', 'Nobody waits for a download that rests.');
      }
    }
  };
  /** Waits for the end of a download in this page, once however often it is paused. */
  const follow = async (id: string) => {
    if (followed.has(id)) return host.resumeDownload(id);
    followed.add(id);
    try {
      const model = await joined(id);
      announcement.value = strings.download.ready(harmlessly(model).name);
      await host.selectModel(id);
    } finally {
      followed.delete(id);
    }
  };
  return {
    failureOf: (id) => (subject.value === id ? state.failure.value?.toPayload() : undefined),
    outcomeOf: (id) => (outcome.value?.id === id ? outcome.value.outcome : undefined),
    isQueued: (id) => queued.value === id,
    announcement: announcement.value,
    hasAccepted: (url) => accepted.value.includes(url),
    accept: (id, url) =>
      act(id, async () => {
        await host.acceptTerms(url);
        accepted.value = [...accepted.value, url];
      }),
    use: (id) => void actAlone(id, () => host.selectModel(id)),
    unload: (id) => void actAlone(id, () => host.unloadModel()),
    verify: (id) =>
      void actAlone(id, async () => {
        const result = harmlessly(await host.verifyModel(id));
        const { damaged } = result;
        report(id, { kind: 'verified', result }, damaged.length > 0 ? damaged.join(' ') : strings.models.whole);
      }),
    export: (model) =>
      void actAlone(model.id, async () => {
        const folder = await pickExportFolder(model);
        await host.exportModel(model.id, folder);
        report(model.id, { kind: 'exported', folder: folder.name }, strings.models.exported(folder.name));
      }),
    remove: (model) =>
      void actAlone(model.id, async () => {
        await host.removeModel(model.id);
        announcement.value = strings.models.removed(model.name);
      }),
    download: (id) => void act(id, () => follow(id)),
    pause: (id) => void act(id, () => host.pauseDownload(id)),
    resume: (id) => void act(id, () => follow(id)),
    cancelDownload: (id) => void act(id, () => host.cancelDownload(id)),
    importFile: (file) => void actAlone('', () => host.importModel(file)),
    importFolder: (pick) =>
      void act('', async () => {
        // A picker opens only right after a click, so it cannot wait for the engine.
        if (state.status.value) await untilFree('');
        const folder = await pick();
        await untilFree('');
        await host.importFolder(folder);
      }),
    refuseImport: (error) => void act('', () => Promise.reject(error)),
    cancelActivity: () => state.attempt(() => host.cancelModelActivity()),
  };
}
