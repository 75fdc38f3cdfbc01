import type { ModelEntry } from '../../protocol/host.ts';
import { strings } from '../strings.ts';
import type { ModelActions } from './model-actions.ts';

interface StoredModelButtonsProps {
  model: ModelEntry;
  inUse: boolean;
  actions: ModelActions;
  onRemove: () => void;
}

const words = strings.models;

/**
 * What can be done with a stored model. The packaged one comes back by itself, so it cannot be deleted, and is not in storage before
 * its first use.
 */
export function StoredModelButtons({ model, inUse, actions, onRemove }: StoredModelButtonsProps) {
  const { id, name, details } = model;
  return (
    <div class="actions">
      {inUse ? (
        <button
          type="button"
          class="button"
          title={words.unloadHint}
          aria-label={words.unloadNamed(name)}
          onClick={() => actions.unload(id)}
        >
          {words.unload}
        </button>
      ) : (
        <button type="button" class="button primary" aria-label={words.useNamed(name)} onClick={() => actions.use(id)}>
          {words.use}
        </button>
      )}
      {details && (
        <>
          <button
            type="button"
            class="button plain"
            title={words.verifyHint}
            aria-label={words.verifyNamed(name)}
            onClick={() => actions.verify(id)}
          >
            {words.verify}
          </button>
          <button
            type="button"
            class="button plain"
            title={words.exportHint}
            aria-label={words.exportNamed(name)}
            onClick={() => actions.export(model)}
          >
            {words.export}
          </button>
        </>
      )}
      {id !== 'demo' && (
        <button type="button" class="button plain danger" aria-label={words.removeNamed(name)} onClick={onRemove}>
          {words.remove}
        </button>
      )}
    </div>
  );
}
