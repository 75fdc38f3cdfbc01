import { useSignal } from '@preact/signals';
import { LapisError } from '../../protocol/errors.ts';
import type { HostState } from '../host/host-state.ts';
import { Trouble } from '../host/Trouble.tsx';
import { icons } from '../icons.tsx';
import { strings } from '../strings.ts';
import { ImportModel } from './ImportModel.tsx';
import { ModelCard } from './ModelCard.tsx';
import { StorageLine } from './StorageLine.tsx';

/** Which models there are, which one answers, and how to get more. */
export function ModelsSection({ state }: { state: HostState }) {
  const failedId = useSignal<string | undefined>(undefined);
  const status = state.status.value;
  const activity = status?.activity;
  const running = activity && activity.kind !== 'none' ? activity : undefined;
  const models = state.models.value;
  // The catalogue lists the default first.
  const recommended = models.find(({ url }) => url !== undefined);

  const act = async (id: string, action: () => Promise<unknown>) => {
    if (running) {
      failedId.value = id;
      state.failure.value = new LapisError('busy', strings.models.busy);
      return;
    }
    failedId.value = id;
    await state.attempt(action);
  };
  const failure = state.failure.value?.toPayload();
  // A failure that no click on this page caused, such as of a load that the popup began.
  const earlier = !failure && !running && status?.error?.code !== 'aborted' ? status?.error : undefined;
  const cancel = () => state.attempt(() => state.host.cancelModelActivity());
  return (
    <>
      <p class="lead">{strings.models.lead}</p>
      {status?.notices.map((notice) => (
        <p key={notice} class="callout warn">
          <span>{notice}</span>
        </p>
      ))}
      {earlier && <Trouble error={earlier} />}
      {models.length === 0 && <p class="quiet">{status ? strings.models.none : strings.status.connecting}</p>}
      <ul class="cards">
        {models.map((model) => (
          <ModelCard
            key={model.id}
            model={model}
            inUse={status?.loadedModelId === model.id}
            selected={status?.selectedModelId === model.id}
            recommended={model === recommended}
            running={running?.modelId === model.id ? running : undefined}
            failure={failedId.value === model.id ? failure : undefined}
            onUse={() => act(model.id, () => state.host.selectModel(model.id))}
            onDownload={() =>
              act(model.id, async () => {
                await state.host.downloadModel(model.id);
                // Whoever downloads a model wants to use it.
                await state.host.selectModel(model.id);
              })
            }
            onRemove={() => act(model.id, () => state.host.removeModel(model.id))}
            onCancel={cancel}
          />
        ))}
      </ul>
      <ImportModel
        running={running && !models.some(({ id }) => id === running.modelId) ? running : undefined}
        failure={failedId.value === '' ? failure : undefined}
        onFile={(file) => act('', () => state.host.importModel(file))}
        onRefused={(reason) => {
          failedId.value = '';
          state.failure.value = new LapisError('bad-request', reason);
        }}
        onCancel={cancel}
        icon={icons.file}
      />
      <StorageLine changes={`${activity?.kind}|${models.map(({ id, stored }) => `${id}${stored}`).join()}`} />
    </>
  );
}
