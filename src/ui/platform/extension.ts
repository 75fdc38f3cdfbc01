import { browser } from '../../protocol/browser.ts';
import type { Platform } from './platform.ts';

/** The pages' platform inside the installed extension. */
export function extensionPlatform(): Platform {
  return {
    version: browser.runtime.getManifest().version,
    openSettings() {
      browser.runtime.openOptionsPage();
    },
    async recall(key) {
      return (await browser.storage.session.get(key))[key];
    },
    remember(key, value) {
      browser.storage.session.set({ [key]: value });
    },
  };
}
