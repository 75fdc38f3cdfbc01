/** What a page asks of the browser around it; tests give it a small one of their own. */
export interface Platform {
  version: string;
  openSettings(): void;
  /** Kept until the browser ends: drafts, notices that were read. */
  recall(key: string): Promise<unknown>;
  remember(key: string, value: unknown): void;
}
