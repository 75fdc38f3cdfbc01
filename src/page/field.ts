import { withPlainSpaces } from './continuation.ts';

/** A place in which a person writes: a text field, or the root of an editable region. */
export interface TextField {
  element: HTMLElement;
  /** `<input>` and `<textarea>`; undefined for editable regions. */
  native?: HTMLInputElement | HTMLTextAreaElement;
  singleLine: boolean;
}

/** Input types that hold plain text and say where their caret is. */
const TEXT_TYPES = new Set(['text', 'search', 'url', 'tel']);

/** What a browser or a password manager fills in, whatever the type: passwords, one-time codes, payment cards. */
const SECRET_AUTOCOMPLETE = /(^|\s)(current-password|new-password|one-time-code|cc-[a-z-]+)(\s|$)/;

/**
 * The field that has the focus, also inside open shadow roots and frames of the same origin, or the sentence that says why
 * there is none to write into.
 */
export function focusedField(start: Document): TextField | { refusal: string } {
  let element = start.activeElement;
  for (;;) {
    if (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    else if (element?.tagName === 'IFRAME' || element?.tagName === 'FRAME') {
      const inner = documentOf(element as HTMLIFrameElement);
      if (!inner) {
        return { refusal: 'This field is in a frame from another site, which the browser does not let Lapis reach.' };
      }
      element = inner.activeElement;
    } else break;
  }
  if (!element) return { refusal: 'Put the caret into a text field first.' };
  return asField(element);
}

/** The element as a field, if Lapis may write into it. A page's own realm makes its elements, so `instanceof` would fail in frames. */
function asField(element: Element): TextField | { refusal: string } {
  if (element.tagName === 'TEXTAREA' || element.tagName === 'INPUT') {
    const native = element as HTMLInputElement | HTMLTextAreaElement;
    const refusal = refusalOf({
      type: native.type,
      autocomplete: native.getAttribute('autocomplete') ?? '',
      disabled: native.disabled,
      readOnly: native.readOnly,
    });
    if (refusal) return { refusal };
    return { element: native, native, singleLine: native.tagName === 'INPUT' };
  }
  const html = element as HTMLElement;
  if (html.isContentEditable || html.ownerDocument.designMode === 'on') return { element: html, singleLine: false };
  return { refusal: 'Put the caret into a text field first.' };
}

/** Why Lapis does not write into an `<input>` or `<textarea>`; undefined when it does. */
export function refusalOf(field: {
  type: string;
  autocomplete: string;
  disabled: boolean;
  readOnly: boolean;
}): string | undefined {
  if (field.type === 'password') return 'Lapis neither reads nor writes password fields.';
  if (SECRET_AUTOCOMPLETE.test(field.autocomplete.toLowerCase())) {
    return 'Lapis neither reads nor writes fields for passwords, codes and payment cards.';
  }
  if (field.disabled || field.readOnly) return 'This field cannot be changed.';
  if (field.type !== 'textarea' && !TEXT_TYPES.has(field.type)) {
    return `Lapis writes text only, and this is a field for something else (${field.type}).`;
  }
  return undefined;
}

/** Moves the caret to the end of what is selected, so that nothing selected is written over. */
export function collapseToEnd({ element, native }: TextField): void {
  if (native) native.setSelectionRange(native.selectionEnd, native.selectionEnd);
  else selectionIn(element)?.collapseToEnd();
}

/** The text from the field's beginning to its caret. */
export function textBeforeCaret({ element, native }: TextField): string {
  if (native) return native.value.slice(0, native.selectionEnd ?? native.value.length);
  const selection = selectionIn(element);
  if (!selection) return '';
  const range = element.ownerDocument.createRange();
  range.setStart(element, 0);
  range.setEnd(selection.focusNode as Node, selection.focusOffset);
  return withPlainSpaces(textOf(range.cloneContents()));
}

/** Whether the caret is in the field. */
export function hasFocus({ element, native }: TextField): boolean {
  const root = element.getRootNode() as Document | ShadowRoot;
  return root.activeElement === element && (native !== undefined || selectionIn(element) !== undefined);
}

/**
 * Inserts at the caret of the focused field as typing does: the page's framework hears of it and the page's own undo takes it back.
 * `execCommand` is the only way to both; libraries around it move the focus, which loses a field inside a shadow root.
 */
export function insertAtCaret({ element, native }: TextField, text: string): void {
  const document = element.ownerDocument;
  if (native) {
    document.execCommand('insertText', false, text);
    return;
  }
  // In an editable region a line feed inside a text is not a line break.
  for (const [index, line] of text.split('\n').entries()) {
    if (index > 0) document.execCommand('insertLineBreak');
    if (line !== '') document.execCommand('insertText', false, line);
  }
}

/** Whether the field holds as much as its `maxlength` lets it. */
export function isFull({ native }: TextField): boolean {
  return native !== undefined && native.maxLength >= 0 && native.value.length >= native.maxLength;
}

function documentOf(frame: HTMLIFrameElement): Document | null {
  try {
    return frame.contentDocument;
  } catch {
    return null;
  }
}

/** The selection, if it ends inside the element. */
function selectionIn(element: HTMLElement): Selection | undefined {
  const root = element.getRootNode() as Document | (ShadowRoot & { getSelection?(): Selection | null });
  // Chrome tells a selection inside a shadow root only to that root.
  const selection = root.getSelection?.() ?? element.ownerDocument.getSelection();
  return selection?.focusNode && element.contains(selection.focusNode) ? selection : undefined;
}

const BLOCKS = /^(ADDRESS|ARTICLE|BLOCKQUOTE|DD|DIV|DL|DT|FIGURE|H[1-6]|HR|LI|OL|P|PRE|SECTION|TABLE|TR|UL)$/;

/** A fragment's text, with its blocks and line breaks as line feeds: `textContent` would run paragraphs together. */
function textOf(node: Node): string {
  let text = '';
  for (const child of node.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) text += child.nodeValue ?? '';
    else if (child.nodeName === 'BR') text += '\n';
    else if (child.nodeType === Node.ELEMENT_NODE) {
      if (BLOCKS.test(child.nodeName) && text !== '' && !text.endsWith('\n')) text += '\n';
      text += textOf(child);
    }
  }
  return text;
}
