/// <reference types="@crxjs/vite-plugin/client" />
// Only the built file's name: none of the page's code comes in here.
import cardScript from '../page/main.ts?script&iife';
import { ensureOffscreenDocument } from './offscreen-document.ts';

/** Of the menu item and of the keyboard command in the manifest. */
const COMPLETE = 'complete-text';

/** Offers "Complete this text" on fields, and the same by keyboard. The click or the key is what grants access to the page. */
export function offerCompletion(): void {
  chrome.runtime.onInstalled.addListener(() => {
    chrome.contextMenus.removeAll(() => {
      chrome.contextMenus.create({
        id: COMPLETE,
        title: chrome.i18n.getMessage('menuComplete'),
        contexts: ['editable'],
      });
    });
  });
  chrome.contextMenus.onClicked.addListener((info, tab) => {
    if (info.menuItemId !== COMPLETE || tab?.id === undefined) return;
    void completeIn(tab.id, info.frameId ?? 0, info.frameUrl);
  });
  chrome.commands.onCommand.addListener((command, tab) => {
    if (command !== COMPLETE || tab?.id === undefined) return;
    // The card looks for the focus itself, also in frames of the page's own origin.
    void completeIn(tab.id, 0);
  });
}

async function completeIn(tabId: number, frameId: number, frameUrl?: string): Promise<void> {
  // The document and the script start at the same time; a document that does not start is the card's to report.
  ensureOffscreenDocument().catch(() => {});
  try {
    await inject(tabId, frameId);
    await chrome.scripting.executeScript({
      target: { tabId, frameIds: [frameId] },
      func: () => (globalThis as { lapisCard?: { complete(): void } }).lapisCard?.complete(),
    });
    // What an earlier attempt in this tab may have left there.
    await mark(tabId, undefined, chrome.i18n.getMessage('shortName'));
  } catch {
    await explain(tabId, frameId === 0 ? undefined : frameUrl);
  }
}

/**
 * Writes on the toolbar button of one tab, which may be gone meanwhile: then there is nobody to tell. Without a badge of its own the
 * tab shows the one of all tabs.
 */
async function mark(tabId: number, badge: string | undefined, title: string): Promise<void> {
  await chrome.action.setBadgeText({ tabId, text: badge }).catch(() => {});
  await chrome.action.setTitle({ tabId, title }).catch(() => {});
}

async function inject(tabId: number, frameId: number): Promise<void> {
  await chrome.scripting.executeScript({ target: { tabId, frameIds: [frameId] }, files: [cardScript] });
}

/** Says in the page why it did not work, or, where the browser lets nobody in, on the toolbar button. */
async function explain(tabId: number, frameUrl: string | undefined): Promise<void> {
  const site = frameUrl && URL.canParse(frameUrl) ? new URL(frameUrl).host : '';
  const inFrame = chrome.i18n.getMessage('completeInForeignFrame', [site || 'another site']);
  try {
    if (frameUrl === undefined) throw new Error('The page itself cannot be reached.');
    await inject(tabId, 0);
    await chrome.scripting.executeScript({
      target: { tabId, frameIds: [0] },
      func: (sentence: string) =>
        (globalThis as { lapisCard?: { say(sentence: string): void } }).lapisCard?.say(sentence),
      args: [inFrame],
    });
  } catch {
    await mark(tabId, '!', frameUrl === undefined ? chrome.i18n.getMessage('completeNotHere') : inFrame);
  }
}
