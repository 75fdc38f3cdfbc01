import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { Timings } from '../../protocol/generation.ts';
import type { ChatSnapshot } from '../../protocol/host.ts';
import { icons } from '../icons.tsx';
import { strings } from '../strings.ts';
import { Answer, Question } from './Message.tsx';

/** How near to the end counts as reading along, in CSS pixels. */
const NEAR_END = 48;

interface ConversationProps {
  chat: ChatSnapshot;
  timings: Record<number, Timings>;
  onRetry: () => void;
  /** Shown in place of the messages while there are none. */
  empty: ComponentChildren;
  /** Below the messages: why the last answer ended early, or never came. */
  ending: ComponentChildren;
}

/** The messages. Follows the growing answer until the person scrolls up, and again once they are back at the end. */
export function Conversation({ chat, timings, onRetry, empty, ending }: ConversationProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const following = useSignal(true);
  const { messages, generating } = chat;
  const questions = messages.filter(({ role }) => role === 'user').length;

  const toEnd = () => {
    const box = scroller.current;
    // Before the first message there is nothing to follow; what is shown then is read from its top.
    if (box) box.scrollTop = questions === 0 ? 0 : box.scrollHeight;
  };

  const toEndNow = useRef(toEnd);
  toEndNow.current = toEnd;
  useEffect(() => {
    if (!content.current || !scroller.current) return;
    const resized = new ResizeObserver(() => {
      if (following.value) toEndNow.current();
    });
    resized.observe(content.current);
    resized.observe(scroller.current);
    return () => resized.disconnect();
  }, []);

  // What the person has just sent is what they want to see.
  useLayoutEffect(() => {
    following.value = true;
    toEnd();
  }, [questions]);

  const lastTop = useRef(0);
  const onScroll = () => {
    const box = scroller.current!;
    const nearEnd = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END;
    // Only a movement upwards is the person's: growth moves the end away without one.
    if (nearEnd) following.value = true;
    else if (box.scrollTop < lastTop.current) following.value = false;
    lastTop.current = box.scrollTop;
  };

  const last = messages.length - 1;
  const waiting = generating && messages[last]?.role !== 'assistant';
  return (
    <div class="conversation">
      <div
        ref={scroller}
        class="scroller"
        role="log"
        aria-live="off"
        aria-label={strings.chat.conversation}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: without it the keyboard alone could not scroll the log
        tabIndex={0}
        onScroll={onScroll}
      >
        <div ref={content} class="messages">
          {messages.length === 0 && empty}
          {messages.map((message, index) =>
            message.role === 'user' ? (
              <Question key={index} text={message.content} leftOut={messages[index + 1]?.role === 'user'} />
            ) : message.role === 'assistant' ? (
              <Answer
                key={index}
                text={message.content}
                growing={generating && index === last}
                timings={timings[index]}
                onRetry={!generating && index === last ? onRetry : undefined}
              />
            ) : null,
          )}
          {waiting && <Answer key={messages.length} text="" growing />}
          {ending}
        </div>
      </div>
      {!following.value && messages.length > 0 && (
        <button
          type="button"
          class="icon-button to-end"
          title={strings.chat.latest}
          aria-label={strings.chat.latest}
          onClick={() => {
            following.value = true;
            toEnd();
          }}
        >
          {icons.down}
        </button>
      )}
    </div>
  );
}
