import type { ConnectMessage, HelloMessage } from '../protocol/host-channel.ts';
import { isMessage } from '../protocol/host-channel.ts';
import { isDownloadWanted } from '../protocol/kept-downloads.ts';
import { badgeReporter } from './badge-reporter.ts';
import { EngineSupervisor } from './engine-supervisor.ts';
import { openDoors } from './open-doors.ts';

/*
 * The offscreen document: keeps the engine worker alive and hands it the ports of our pages. Listeners are registered before the
 * first await, or what arrives earlier would be lost.
 */

const supervisor = new EngineSupervisor({
  createWorker: () => new Worker(new URL('./engine-worker.ts', import.meta.url), { type: 'module', name: 'engine' }),
  onIdle: () => {
    if (!doors.busy) window.close();
  },
  hasWork: isDownloadWanted,
  onBadge: badgeReporter(),
});

const doors = openDoors((port) => supervisor.connect(port));

navigator.serviceWorker.addEventListener('message', (event: MessageEvent) => {
  const [port] = event.ports;
  if (!port) return;
  if (isMessage<HelloMessage>(event.data, 'hello')) port.postMessage(true);
  else if (isMessage<ConnectMessage>(event.data, 'connect')) supervisor.connect(port, event.data);
});
navigator.serviceWorker.startMessages();

void supervisor.resume();
