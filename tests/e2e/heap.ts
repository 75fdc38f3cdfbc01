import type { CDPSession } from 'playwright-core';
import type { Lapis } from './harness.ts';

/** What the JavaScript of the offscreen document and its workers holds, ArrayBuffers included, in bytes. */
export interface HeapWatch {
  /** The sum as it was heard last. */
  current(): number;
  /** The largest sum since the last call. */
  takePeak(): number;
  stop(): void;
}

const SAMPLE_MS = 50;

/**
 * Asks each context for `Runtime.getHeapUsage` every 50 ms: the used V8 heap and the backing stores of ArrayBuffers. What is garbage
 * but not yet collected counts.
 */
export async function watchHeap(lapis: Lapis): Promise<HeapWatch> {
  const cdp = await lapis.browserCdp();
  const used = new Map<string, number>();
  const sessions = new Map<string, string>();
  let peak = 0;
  const sum = () => [...used.values()].reduce((bytes, more) => bytes + more, 0);
  cdp.on('Target.receivedMessageFromTarget', ({ sessionId, message }) => {
    const { result } = JSON.parse(message) as { result?: { usedSize?: number; backingStorageSize?: number } };
    if (result?.usedSize === undefined) return;
    used.set(sessionId, result.usedSize + (result.backingStorageSize ?? 0));
    peak = Math.max(peak, sum());
  });
  cdp.on('Target.detachedFromTarget', ({ sessionId }) => {
    used.delete(sessionId);
    for (const [target, session] of sessions) if (session === sessionId) sessions.delete(target);
  });
  const attach = async (targetId: string) => {
    if (sessions.has(targetId)) return;
    const { sessionId } = await cdp.send('Target.attachToTarget', { targetId, flatten: false });
    sessions.set(targetId, sessionId);
    // A worker's session hears nothing until the session of what started it has attached to it.
    const params = { autoAttach: true, flatten: false, waitForDebuggerOnStart: false };
    await send(cdp, sessionId, 'Target.setAutoAttach', params);
  };
  const sample = async () => {
    for (const { targetId } of ofEngine(await lapis.targets())) await attach(targetId);
    for (const session of sessions.values()) await send(cdp, session, 'Runtime.getHeapUsage');
  };
  await sample();
  const timer = setInterval(() => void sample().catch(() => {}), SAMPLE_MS);
  return {
    current: sum,
    takePeak() {
      const highest = peak;
      peak = sum();
      return highest;
    },
    stop: () => clearInterval(timer),
  };
}

/** The offscreen document and every worker below it. */
function ofEngine(targets: Awaited<ReturnType<Lapis['targets']>>): typeof targets {
  const found = targets.filter(({ url }) => url.endsWith('/src/offscreen/offscreen.html'));
  for (const { targetId } of found)
    found.push(...targets.filter(({ type, parentId }) => type === 'worker' && parentId === targetId));
  return found;
}

async function send(cdp: CDPSession, sessionId: string, method: string, params: object = {}): Promise<void> {
  await cdp.send('Target.sendMessageToTarget', { sessionId, message: JSON.stringify({ id: 1, method, params }) });
}
