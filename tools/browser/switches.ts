import { existsSync, readdirSync } from 'node:fs';

/** Which adapter the browser's WebGPU shall use. */
export type AdapterChoice = 'hardware' | 'swiftshader';

/** Switches that every browser of ours starts with: no first-run pages, no traffic of its own. */
export const QUIET_SWITCHES = [
  '--no-first-run',
  '--no-default-browser-check',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--hide-crash-restore-bubble',
];

/** The switches for an adapter; headless Linux needs Vulkan without a surface. */
export function adapterSwitches(choice: AdapterChoice, { headless }: { headless: boolean }): string[] {
  if (choice === 'swiftshader') return ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
  if (process.platform !== 'linux') return [];
  return [
    '--enable-unsafe-webgpu',
    '--ignore-gpu-blocklist',
    '--use-angle=vulkan',
    '--enable-features=Vulkan',
    ...(headless ? ['--disable-vulkan-surface'] : []),
  ];
}

/** Chromium's sandbox cannot be set up by root. */
export function sandboxSwitches(): string[] {
  return process.platform === 'linux' && process.getuid?.() === 0 ? ['--no-sandbox'] : [];
}

/** False only where it is certain that the machine has no GPU, which saves a start of the browser. */
export function mayHaveGpu(): boolean {
  if (process.platform !== 'linux') return true;
  const renders = existsSync('/dev/dri') && readdirSync('/dev/dri').some((name) => name.startsWith('renderD'));
  return renders || existsSync('/dev/nvidia0') || existsSync('/dev/dxg');
}
