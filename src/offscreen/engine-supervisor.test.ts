import { afterEach, describe, expect, test, vi } from 'vitest';
import type { ConnectMessage } from '../protocol/host-channel.ts';
import { EngineSupervisor } from './engine-supervisor.ts';
import type { LifelineAnswer, LifelineMessage } from './lifeline.ts';

/** A worker as the supervisor sees it: it answers its lifeline until it hangs. */
class PretendedWorker extends EventTarget {
  readonly createdAt = performance.now();
  terminated = false;
  hangs = false;
  idle = false;
  readonly connected: ConnectMessage[] = [];
  #lifeline: MessagePort | undefined;

  constructor(readonly starts: boolean) {
    super();
  }

  postMessage(message: LifelineMessage | ConnectMessage, [port]: MessagePort[]) {
    if (message.lapis === 'connect') {
      this.connected.push(message);
      return;
    }
    this.#lifeline = port;
    port.onmessage = () => {
      if (!this.hangs) this.say({ type: 'alive', idle: this.idle });
    };
    if (this.starts) this.say({ type: 'ready', lock: 'lock' });
    else this.say({ type: 'failed', error: { code: 'internal', message: 'It does not start.' } });
  }

  say(answer: LifelineAnswer) {
    this.#lifeline?.postMessage(answer);
  }

  terminate() {
    this.terminated = true;
    this.#lifeline?.close();
  }
}

function setUp({ starts = true, hasWork = false } = {}) {
  // A lock that is never given: these workers end by hanging.
  vi.stubGlobal('navigator', { locks: { request: () => new Promise(() => {}) } });
  const workers: PretendedWorker[] = [];
  const state = { hasWork, badges: [] as unknown[], idle: 0 };
  const supervisor = new EngineSupervisor({
    createWorker: () => {
      const worker = new PretendedWorker(starts);
      workers.push(worker);
      return worker as unknown as Worker;
    },
    onIdle: () => void state.idle++,
    hasWork: async () => state.hasWork,
    onBadge: (badge) => state.badges.push(badge),
    idleMs: 60,
    pingIntervalMs: 10,
    deadAfterMs: 100,
    reviveMs: 20,
  });
  return { supervisor, workers, state };
}

const running = (workers: PretendedWorker[]) => workers.filter(({ terminated }) => !terminated).length;

let opened: PretendedWorker[] = [];
afterEach(() => {
  // A worker that hangs is ended by its supervisor, which then has no timer left.
  for (const worker of opened) worker.hangs = true;
  opened = [];
  vi.unstubAllGlobals();
});

describe('the engine worker', () => {
  test('is started for a page, and without one only when there is work', async () => {
    const { supervisor, workers, state } = setUp();
    opened = workers;
    await supervisor.resume();
    expect(workers).toHaveLength(0);
    supervisor.connect(new MessageChannel().port1);
    await vi.waitFor(() => expect(workers[0]?.connected).toHaveLength(1));
    state.hasWork = true;
    await supervisor.resume();
    expect(workers).toHaveLength(1);
  });

  test('that died of anything is started anew by itself while there is work', async () => {
    const { supervisor, workers, state } = setUp({ hasWork: true });
    opened = workers;
    await supervisor.resume();
    expect(workers).toHaveLength(1);
    workers[0].hangs = true;
    await vi.waitFor(() => expect(workers).toHaveLength(2), { timeout: 5_000 });
    expect(running(workers)).toBe(1);
    state.hasWork = false;
    workers[1].hangs = true;
    await vi.waitFor(() => expect(running(workers)).toBe(0), { timeout: 5_000 });
    // Longer than the pause before a revival, which has doubled twice.
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(workers).toHaveLength(2);
  });

  test('that cannot be started is tried less and less often', async () => {
    const { supervisor, workers, state } = setUp({ starts: false, hasWork: true });
    await supervisor.resume();
    await vi.waitFor(() => expect(workers.length).toBeGreaterThanOrEqual(4), { timeout: 5_000 });
    state.hasWork = false;
    const [first, second, third, fourth] = workers.map(({ createdAt }) => createdAt);
    expect(second - first).toBeGreaterThan(19);
    expect(third - second).toBeGreaterThan(39);
    expect(fourth - third).toBeGreaterThan(79);
  });

  test('says what the toolbar icon is to show, and is given up only when it has nothing to do', async () => {
    const { supervisor, workers, state } = setUp({ hasWork: true });
    opened = workers;
    await supervisor.resume();
    const badge = { state: 'downloading' as const, name: 'Gemma', percent: 3 };
    workers[0].say({ type: 'badge', badge });
    await vi.waitFor(() => expect(state.badges).toEqual([badge]));
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(state.idle).toBe(0);
    workers[0].idle = true;
    await vi.waitFor(() => expect(state.idle).toBeGreaterThan(0), { timeout: 5_000 });
  });
});
