import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { Composer } from '../chat/Composer.tsx';
import { Conversation } from '../chat/Conversation.tsx';
import { EmptyChat } from '../chat/EmptyChat.tsx';
import type { HostState } from '../host/host-state.ts';
import { Trouble } from '../host/Trouble.tsx';
import type { Platform } from '../platform/platform.ts';
import { useKept } from '../platform/useKept.ts';
import { strings } from '../strings.ts';
import { Header } from './Header.tsx';
import { StatusArea } from './StatusArea.tsx';

/** The toolbar popup: one conversation, which lives in the engine and so outlasts this page. */
export function Popup({ state, platform }: { state: HostState; platform: Platform }) {
  const draft = useKept(platform, 'draft', '');
  const announcement = useSignal('');
  const chat = state.chat.value ?? { messages: [], generating: false };
  const { generating, messages } = chat;
  const status = state.status.value;

  const retry = () => state.attempt(() => state.host.retryChat());
  const stop = () => state.attempt(() => state.host.stopChat());

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      // Unhandled, Escape closes the popup; while an answer grows it ends that instead.
      if (event.key !== 'Escape' || event.isComposing || !state.chat.value?.generating) return;
      event.preventDefault();
      stop();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);

  const wasGenerating = useRef(false);
  useEffect(() => {
    const last = messages.at(-1);
    if (wasGenerating.current && !generating && last?.role === 'assistant') {
      announcement.value = strings.chat.answerReady(lastAnswerAsSpoken());
    }
    wasGenerating.current = generating;
  }, [generating]);

  const send = async (text: string, fromDraft: boolean) => {
    if (fromDraft) draft.value = '';
    announcement.value = '';
    const sent = await state.attempt(() => state.host.sendChat(text));
    if (!sent && fromDraft && draft.value === '') draft.value = text;
  };

  // A model that does not load is in the status too; one place is enough.
  const failure = state.failure.value?.message === status?.error?.message ? undefined : state.failure.value;
  const stopped = chat.error?.code === 'aborted';
  const trouble = (stopped ? undefined : chat.error) ?? failure?.toPayload();
  const question = messages.at(-1)?.role === 'user' ? messages.at(-1) : undefined;
  const edit = () => {
    draft.value = question?.content ?? '';
    document.querySelector('textarea')?.focus();
  };
  const tryAgain = (
    <button type="button" class="button small" onClick={retry}>
      {strings.status.tryAgain}
    </button>
  );
  // What did not fit does not fit the second time; as it stands it may be shortened, if nothing else is being written.
  const editMessage = draft.value === '' && (
    <button type="button" class="button small" onClick={edit}>
      {strings.chat.edit}
    </button>
  );
  return (
    <main class="popup">
      <h1 class="visually-hidden">{strings.product}</h1>
      <Header state={state} platform={platform} />
      <StatusArea state={state} platform={platform} />
      <Conversation
        chat={chat}
        timings={state.timings.value}
        onRetry={retry}
        empty={
          state.chat.value && (
            <EmptyChat
              demo={(status?.selectedModelId ?? 'demo') === 'demo'}
              onExample={(text) => send(text, false)}
              onSettings={() => platform.openSettings()}
            />
          )
        }
        ending={
          generating ? null : trouble ? (
            <Trouble error={trouble}>
              {question && (trouble.code === 'context-overflow' ? editMessage : tryAgain)}
            </Trouble>
          ) : question ? (
            <div class="callout">
              <span role="status">{stopped ? strings.chat.stopped : strings.chat.noAnswer}</span>
              {tryAgain}
            </div>
          ) : null
        }
      />
      <Composer draft={draft} generating={generating} onSend={() => send(draft.value.trim(), true)} onStop={stop} />
      <div class="visually-hidden" role="status" aria-live="polite">
        {announcement.value}
      </div>
    </main>
  );
}

/** The last answer without its markup and buttons. */
function lastAnswerAsSpoken(): string {
  const answer = [...document.querySelectorAll('.answer .markdown')].at(-1)?.cloneNode(true) as HTMLElement | undefined;
  for (const bar of answer?.querySelectorAll('.code-bar') ?? []) bar.remove();
  return answer?.textContent?.trim() ?? '';
}
