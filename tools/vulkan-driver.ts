import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/*
 * Dawn in Node computes through Vulkan on Linux and needs two files that a machine without a graphics stack lacks: the Vulkan
 * loader and a driver. Every Chrome and Chromium brings both, the driver being SwiftShader, which runs on the CPU.
 */

/** dlopen's flag that keeps a library in the process; glibc and musl agree on the value, Node has no name for it. */
const RTLD_NODELETE = 0x1000;
const RTLD_NOW = 2;

/** Where the Vulkan loader looks for drivers, after Khronos' LoaderDriverInterface document. */
const DRIVER_FOLDERS = [
  '/etc',
  '/usr/local/etc',
  '/usr/share',
  '/usr/local/share',
  join(homedir(), '.local/share'),
].map((folder) => join(folder, 'vulkan/icd.d'));

/** Folders of installed Chrome and Chromium builds that exist, CHROME_PATH's first. */
function browserFolders(): string[] {
  const folders = [
    '/usr/lib/chromium',
    '/usr/lib64/chromium-browser',
    '/usr/lib/chromium-browser',
    '/snap/chromium/current/usr/lib/chromium-browser',
    '/opt/google/chrome',
    '/opt/google/chrome-beta',
    '/opt/google/chrome-unstable',
    '/opt/microsoft/msedge',
    '/opt/brave.com/brave',
  ];
  const chrome = process.env.CHROME_PATH;
  if (chrome && existsSync(chrome)) folders.unshift(dirname(realpathSync(chrome)));
  const playwright = join(homedir(), '.cache/ms-playwright');
  if (existsSync(playwright)) {
    for (const build of readdirSync(playwright)) {
      folders.push(join(playwright, build, 'chrome-linux'), join(playwright, build, 'chrome-linux64'));
    }
  }
  return folders.filter((folder) => existsSync(folder));
}

/** The driver description of a SwiftShader on this machine, if there is one. */
export function findSwiftShader(): string | undefined {
  return browserFolders()
    .map((folder) => join(folder, 'vk_swiftshader_icd.json'))
    .find((file) => existsSync(file));
}

/** Whether the system has any Vulkan driver, or the person has named one. Asking Dawn without one prints its warnings. */
export function hasSystemVulkanDriver(): boolean {
  if (process.env.VK_ICD_FILENAMES || process.env.VK_DRIVER_FILES || process.env.VK_ADD_DRIVER_FILES) return true;
  return DRIVER_FOLDERS.some(
    (folder) => existsSync(folder) && readdirSync(folder).some((name) => name.endsWith('.json')),
  );
}

/**
 * Loads libvulkan.so.1 into the process: the system's, else the one that a browser brings. Dawn's own dlopen then finds it by
 * name, which saves the person a package and an LD_LIBRARY_PATH.
 */
export function loadVulkanLoader(): void {
  for (const file of ['libvulkan.so.1', ...browserFolders().map((folder) => join(folder, 'libvulkan.so.1'))]) {
    try {
      process.dlopen({ exports: {} }, file, RTLD_NOW | RTLD_NODELETE);
    } catch (error) {
      // Node complains that the library is no addon of its own; it is loaded all the same.
      if (error instanceof Error && error.message.includes('did not self-register')) return;
    }
  }
}
