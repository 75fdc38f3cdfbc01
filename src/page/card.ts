import css from './card.css?inline';

/** A small card beside a field: what Lapis does, and a way to stop it. */
export interface Card {
  /** While Lapis writes. */
  working(text: string): void;
  /** What the person should know about the text that is written; stays below the other words. */
  warn(text: string): void;
  /** The last words; the card goes away by itself after `forMs`, or by its button. */
  finished(text: string, options: { error: boolean; forMs: number }): void;
}

const GAP = 6;
const EDGE = 8;

/**
 * Shows the card near `anchor` until the signal. `onDismiss` is called for its button and for Escape. The page cannot style it, read it or
 * press its button: closed shadow root, important styles, trusted events only; the top layer keeps it above the page's own.
 */
export function showCard(anchor: HTMLElement | undefined, onDismiss: () => void, signal: AbortSignal): Card {
  const document = anchor?.ownerDocument ?? globalThis.document;
  const view = document.defaultView ?? window;
  const host = document.createElement('lapis-card');
  const shadow = host.attachShadow({ mode: 'closed' });
  // A sheet of the document's own realm: a strict CSP allows it, and a frame refuses another's.
  const sheet = new (view as unknown as typeof globalThis).CSSStyleSheet();
  sheet.replaceSync(css);
  shadow.adoptedStyleSheets = [sheet];

  const status = element(document, 'div', 'status');
  status.setAttribute('role', 'status');
  const mark = element(document, 'span', 'mark');
  mark.setAttribute('aria-hidden', 'true');
  const button = element(document, 'button', 'dismiss');
  button.setAttribute('type', 'button');
  const words = element(document, 'div', 'words');
  words.append(status);
  const box = element(document, 'div', 'box');
  box.append(mark, words, button);
  shadow.append(box);

  const place = () => {
    const around = anchor?.isConnected ? caretBox(anchor) : undefined;
    const { offsetWidth: width, offsetHeight: height } = box;
    const { innerWidth, innerHeight } = view;
    // Without a field: the upper right corner. No room below the field: inside its lower edge, as far as it can be seen.
    const left = around ? around.left : innerWidth - width - 2 * EDGE;
    const below = around ? around.bottom + GAP : 2 * EDGE;
    box.style.left = `${clamp(left, EDGE, innerWidth - width - EDGE)}px`;
    box.style.top = `${clamp(below, EDGE, innerHeight - height - EDGE)}px`;
  };

  const options = { signal, capture: true } as const;
  // Pressing the button must not take the focus out of the field.
  box.addEventListener('mousedown', (event) => event.preventDefault(), { signal });
  button.addEventListener('click', (event) => event.isTrusted && onDismiss(), { signal });
  view.addEventListener(
    'keydown',
    (event) => {
      if (event.key !== 'Escape' || !event.isTrusted || event.isComposing) return;
      // It was meant for the card: the page's dialog behind it stays open.
      event.preventDefault();
      event.stopImmediatePropagation();
      onDismiss();
    },
    options,
  );
  view.addEventListener('scroll', place, { ...options, passive: true });
  view.addEventListener('resize', place, { ...options, passive: true });
  signal.addEventListener('abort', () => host.remove(), { once: true });

  // Whatever is outside an open modal dialog is inert, also in the top layer.
  const parent = anchor?.closest('dialog[open]') ?? document.documentElement;
  parent.append(host);
  host.popover = 'manual';
  host.showPopover();

  const show = (state: 'working' | 'done' | 'error', text: string, label: string) => {
    box.className = `box ${state}`;
    status.textContent = text;
    button.textContent = label;
    place();
  };
  return {
    working: (text) => show('working', text, 'Stop (Esc)'),
    warn(text) {
      const warning = element(document, 'div', 'warning');
      // Put in with its words, it is read out.
      warning.setAttribute('role', 'alert');
      warning.textContent = text;
      words.replaceChildren(status, warning);
      place();
    },
    finished(text, { error, forMs }) {
      show(error ? 'error' : 'done', text, 'Close');
      const timer = setTimeout(onDismiss, forMs);
      signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
    },
  };
}

/** Where the caret is: its line in an editable region, the whole of a text field, which does not tell. */
function caretBox(anchor: HTMLElement): DOMRect {
  const field = anchor.getBoundingClientRect();
  if (anchor.tagName === 'INPUT' || anchor.tagName === 'TEXTAREA') return field;
  const selection = anchor.ownerDocument.getSelection();
  const range = selection?.rangeCount ? selection.getRangeAt(0) : undefined;
  const caret = range && anchor.contains(range.endContainer) ? range.getBoundingClientRect() : undefined;
  return caret && caret.height > 0 ? caret : field;
}

function element(document: Document, tag: string, className: string): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  return made;
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(value, most));
}
