import { useRef } from 'preact/hooks';
import type { HostState } from '../host/host-state.ts';
import { Trouble } from '../host/Trouble.tsx';
import type { Platform } from '../platform/platform.ts';
import { strings } from '../strings.ts';
import { FindModel } from './FindModel.tsx';
import { ImportModel } from './ImportModel.tsx';
import { ModelNotices } from './ModelNotices.tsx';
import { useModelActions } from './model-actions.ts';
import { OfferedModel } from './OfferedModel.tsx';
import { StorageLine } from './StorageLine.tsx';
import { StoredModel } from './StoredModel.tsx';
import { WaitingModel } from './WaitingModel.tsx';

/** Which models there are, which one answers, and how to get more. */
export function ModelsSection({ state, platform }: { state: HostState; platform: Platform }) {
  const actions = useModelActions(state);
  const heading = useRef<HTMLHeadingElement>(null);
  const status = state.status.value;
  const activity = status?.activity;
  const running = activity && activity.kind !== 'none' ? activity : undefined;
  const models = state.models.value;
  const stored = models.filter((model) => model.stored);
  const waiting = models.filter((model) => model.waiting !== undefined);
  const offered = models.filter((model) => !model.stored && model.waiting === undefined);
  const downloads = status?.downloads ?? [];
  const found = downloads.filter(({ modelId }) => !models.some(({ id }) => id === modelId));
  // The catalogue lists the default first.
  const recommended = models.find(({ url }) => url !== undefined);
  // A failure that no click on this page caused, such as of a load that the popup began.
  const earlier = !state.failure.value && !running && status?.error?.code !== 'aborted' ? status?.error : undefined;
  const toHeading = () => heading.current?.focus();
  return (
    <>
      <p class="lead">{strings.models.lead}</p>
      <ModelNotices state={state} platform={platform} onEmpty={toHeading} />
      {earlier && <Trouble error={earlier} />}
      <div class="group-head">
        <h3 ref={heading} tabIndex={-1}>
          {strings.models.here}
        </h3>
        <StorageLine storage={status?.storage} />
      </div>
      {models.length === 0 && <p class="quiet">{status ? strings.models.none : strings.status.connecting}</p>}
      <ul class="cards">
        {stored.map((model) => (
          <StoredModel
            key={model.id}
            model={model}
            inUse={status?.loadedModelId === model.id}
            selected={status?.selectedModelId === model.id}
            running={running?.modelId === model.id ? running : undefined}
            actions={actions}
            onRemove={toHeading}
          />
        ))}
        {waiting.map((model) => (
          <WaitingModel
            key={model.id}
            model={model}
            running={running?.modelId === model.id ? running : undefined}
            actions={actions}
            onRemove={toHeading}
          />
        ))}
      </ul>
      <div class="group-head">
        <h3>{strings.models.more}</h3>
      </div>
      <ul class="cards">
        {found.map((download) => (
          <OfferedModel key={download.modelId} download={download} actions={actions} onForget={toHeading} />
        ))}
        {offered.map((model) => (
          <OfferedModel
            key={model.id}
            model={model}
            download={downloads.find(({ modelId }) => modelId === model.id)}
            recommended={model === recommended}
            actions={actions}
            onForget={toHeading}
          />
        ))}
      </ul>
      <FindModel
        host={state.host}
        actions={actions}
        isKnown={(id) => stored.some((model) => model.id === id) || downloads.some(({ modelId }) => modelId === id)}
      />
      <div class="group-head">
        <h3>{strings.import.title}</h3>
      </div>
      <ImportModel
        running={running && ![...stored, ...waiting].some(({ id }) => id === running.modelId) ? running : undefined}
        actions={actions}
      />
      <p class="visually-hidden" role="status">
        {actions.announcement}
      </p>
    </>
  );
}
