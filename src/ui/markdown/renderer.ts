import * as smd from 'streaming-markdown';
import { strings } from '../strings.ts';

/** Text that a model wrote, shown as markdown while it grows. */
export interface MarkdownWriter {
  write(text: string): void;
  /** No more text comes: what is still open is closed. */
  end(): void;
}

/** streaming-markdown follows at most this many nested tokens; one more and its tables overflow. */
const MAX_DEPTH = 20;

const LINK_PROTOCOLS = new Set(['http:', 'https:', 'mailto:']);

const ELEMENTS: Partial<Record<smd.Token, keyof HTMLElementTagNameMap>> = {
  [smd.PARAGRAPH]: 'p',
  [smd.BLOCKQUOTE]: 'blockquote',
  [smd.LINE_BREAK]: 'br',
  [smd.RULE]: 'hr',
  [smd.LIST_UNORDERED]: 'ul',
  [smd.LIST_ORDERED]: 'ol',
  [smd.LIST_ITEM]: 'li',
  [smd.CODE_INLINE]: 'code',
  [smd.EQUATION_INLINE]: 'code',
  [smd.ITALIC_AST]: 'em',
  [smd.ITALIC_UND]: 'em',
  [smd.STRONG_AST]: 'strong',
  [smd.STRONG_UND]: 'strong',
  [smd.STRIKE]: 's',
  [smd.LINK]: 'a',
  [smd.RAW_URL]: 'a',
  [smd.IMAGE]: 'a',
};

const EMPHASIS: Partial<Record<smd.Token, string>> = {
  [smd.ITALIC_AST]: '*',
  [smd.ITALIC_UND]: '_',
  [smd.STRONG_AST]: '**',
  [smd.STRONG_UND]: '__',
  [smd.STRIKE]: '~~',
};

interface Open {
  token: smd.Token;
  node: HTMLElement;
}

/**
 * Renders into `root` by creating elements and text nodes only: no markup of the model's is ever parsed as HTML. Links keep only
 * http, https and mailto; an image becomes a link to it, because loading one would tell its server that it was read.
 */
export function markdownWriter(root: HTMLElement): MarkdownWriter {
  const open: Open[] = [{ token: smd.DOCUMENT, node: root }];
  const top = () => open[open.length - 1];

  // The page has the h1. A level that a model skips would leave a hole in the outline that screen readers walk along.
  let heading = 1;

  const close = (complete: boolean) => {
    if (open.length < 2) return;
    const { token, node } = open.pop()!;
    const mark = EMPHASIS[token] ?? '';
    if (node.dataset.literal) unwrap(node, mark, complete ? mark : '');
    else if (!complete) unwrap(node, mark, '');
    else if ((token === smd.LINK || token === smd.IMAGE) && !node.hasAttribute('href')) {
      // Without an address it was no link: its brackets were text.
      const ended = parser.pending.startsWith(']');
      unwrap(node, token === smd.LINK ? '[' : '![', ended ? (node.dataset.blocked ?? ']') : '');
    }
  };

  const parser = smd.parser({
    data: undefined,
    add_token(_, token) {
      const level = smd.heading_to_level(token);
      if (level > 0) heading = Math.min(level + 1, heading + 1, 6);
      const node = level > 0 ? appendHeading(top().node, heading) : append(top().node, token);
      open.push({ token, node });
    },
    end_token() {
      const mark = EMPHASIS[top().token];
      // An emphasis that its own mark did not end was no emphasis, such as the star in "*args".
      close(mark === undefined || parser.pending.startsWith(mark[0]));
    },
    add_text(_, text) {
      const { node } = top();
      const last = node.lastChild;
      // One growing text node per run keeps a selection alive while the answer streams.
      if (last instanceof Text) last.appendData(text);
      else node.append(text);
    },
    set_attr(_, attribute, value) {
      setAttribute(top().node, attribute, value);
    },
  });

  let failed = false;
  const write = (text: string) => {
    let done = 0;
    try {
      for (const character of failed ? '' : text) {
        // Character by character, so that the depth is checked before each that could raise it.
        if (parser.len > MAX_DEPTH) throw new RangeError('The markdown is nested too deeply.');
        smd.parser_write(parser, character);
        done += character.length;
      }
    } catch {
      failed = true;
      root.append(parser.text, parser.pending);
    }
    if (failed) root.append(text.slice(done));
  };

  return {
    write,
    end() {
      if (failed) return;
      smd.parser_end(parser);
      while (open.length > 1) close(EMPHASIS[top().token] === undefined);
    },
  };
}

function append(parent: HTMLElement, token: smd.Token): HTMLElement {
  const element = (name: keyof HTMLElementTagNameMap) => parent.appendChild(document.createElement(name));
  switch (token) {
    case smd.CODE_FENCE:
    case smd.CODE_BLOCK:
    case smd.EQUATION_BLOCK:
      return appendCodeBlock(parent);
    case smd.TABLE: {
      const scroller = element('div');
      scroller.className = 'table';
      scroller.tabIndex = 0;
      return scroller.appendChild(document.createElement('table'));
    }
    case smd.TABLE_ROW: {
      const [head, body] = [parent.querySelector('thead'), parent.querySelector('tbody')];
      const section = body ?? parent.appendChild(document.createElement(head ? 'tbody' : 'thead'));
      return section.appendChild(document.createElement('tr'));
    }
    case smd.TABLE_CELL:
      return element(parent.parentElement?.tagName === 'THEAD' ? 'th' : 'td');
    case smd.CHECKBOX: {
      const box = document.createElement('span');
      box.textContent = '☐ ';
      return parent.appendChild(box);
    }
    case smd.ITALIC_UND:
    case smd.STRONG_UND: {
      // An underscore inside a word is part of a name, such as snake_case.
      const inWord = /[\p{L}\p{N}]$/u.test(parent.textContent ?? '');
      const emphasis = element(inWord ? 'span' : ELEMENTS[token]!);
      if (inWord) emphasis.dataset.literal = 'yes';
      return emphasis;
    }
    default:
      return element(ELEMENTS[token] ?? 'span');
  }
}

function appendHeading(parent: HTMLElement, level: number): HTMLElement {
  return parent.appendChild(document.createElement(`h${level}`));
}

function appendCodeBlock(parent: HTMLElement): HTMLElement {
  const block = parent.appendChild(document.createElement('div'));
  block.className = 'code';
  const bar = block.appendChild(document.createElement('div'));
  bar.className = 'code-bar';
  bar.append(document.createElement('span'));
  const copy = bar.appendChild(document.createElement('button'));
  copy.type = 'button';
  copy.className = 'code-copy';
  copy.textContent = strings.code.copy;
  const pre = block.appendChild(document.createElement('pre'));
  pre.tabIndex = 0;
  const code = pre.appendChild(document.createElement('code'));
  copy.addEventListener('click', async () => {
    const text = (code.textContent ?? '').replace(/\n$/, '');
    const copied = await navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
    copy.textContent = copied ? strings.code.copied : strings.code.failed;
    setTimeout(() => {
      copy.textContent = strings.code.copy;
    }, 1_600);
  });
  return code;
}

function setAttribute(node: HTMLElement, attribute: smd.Attr, value: string): void {
  switch (attribute) {
    case smd.HREF:
    case smd.SRC: {
      const [address] = value.trim().split(/\s+/);
      if (!isLinkable(address)) {
        node.dataset.blocked = `](${value})`;
        return;
      }
      node.setAttribute('href', address);
      node.setAttribute('rel', 'noopener noreferrer');
      node.setAttribute('target', '_blank');
      if (attribute === smd.SRC) {
        node.className = 'image-link';
        if (!node.textContent) node.textContent = address;
      }
      return;
    }
    case smd.LANG: {
      const label = node.closest('.code')?.querySelector('.code-bar span');
      if (label) label.textContent = value.trim().slice(0, 24);
      return;
    }
    case smd.CHECKED:
      node.textContent = '☑ ';
      return;
    case smd.START:
      if (/^\d{1,9}$/.test(value)) node.setAttribute('start', value);
  }
}

/** Whether a click on the address may leave the page: absolute, with a protocol that cannot run code here. */
function isLinkable(address: string): boolean {
  try {
    return LINK_PROTOCOLS.has(new URL(address).protocol);
  } catch {
    return false;
  }
}

/** Puts the characters that looked like markup back around what they enclosed. */
function unwrap(node: HTMLElement, before: string, after: string): void {
  node.replaceWith(before, ...node.childNodes, after);
}
