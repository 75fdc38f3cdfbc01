import type { Platform } from '../platform/platform.ts';

/** A platform in an ordinary page: what is kept lasts as long as the tab. */
export function fakePlatform(): Platform & { settingsOpened: number } {
  const platform = {
    version: '0.1.0',
    settingsOpened: 0,
    openSettings() {
      platform.settingsOpened += 1;
    },
    async recall(key: string) {
      const kept = sessionStorage.getItem(key);
      return kept === null ? undefined : JSON.parse(kept);
    },
    remember(key: string, value: unknown) {
      sessionStorage.setItem(key, JSON.stringify(value));
    },
  };
  return platform;
}
