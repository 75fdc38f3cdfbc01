import { useLayoutEffect, useRef } from 'preact/hooks';
import type { MarkdownWriter } from './renderer.ts';
import { markdownWriter } from './renderer.ts';

/** An answer as markdown. Text that grows is appended to what stands; any other change renders anew. */
export function Markdown({ text, growing }: { text: string; growing: boolean }) {
  const root = useRef<HTMLDivElement>(null);
  const written = useRef<{ writer: MarkdownWriter; text: string; ended: boolean } | undefined>(undefined);

  useLayoutEffect(() => {
    if (!root.current) return;
    let state = written.current;
    if (!state || state.ended || !text.startsWith(state.text)) {
      if (state?.ended && state.text === text && !growing) return;
      root.current.replaceChildren();
      state = { writer: markdownWriter(root.current), text: '', ended: false };
      written.current = state;
    }
    state.writer.write(text.slice(state.text.length));
    state.text = text;
    if (!growing) {
      state.writer.end();
      state.ended = true;
    }
  }, [text, growing]);

  return <div ref={root} class={growing ? 'markdown growing' : 'markdown'} />;
}
