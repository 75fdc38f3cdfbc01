import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LapisError } from '../src/protocol/errors.ts';
import { findSwiftShader, hasSystemVulkanDriver, loadVulkanLoader } from './vulkan-driver.ts';

/** What dawn.node exports. */
interface Dawn {
  create(options: string[]): GPU;
  globals: Record<string, unknown>;
}

export interface NodeGpu {
  /** Stands in for `navigator.gpu`. */
  readonly gpu: GPU;
  /** Hands out no more adapters. */
  close(): void;
}

export interface NodeGpuOptions {
  /** Dawn toggles, such as `vulkan_enable_f16_on_nvidia`. Default: LAPIS_DAWN_FEATURES, separated by commas. */
  dawnFeatures?: string[];
  /** Dawn's back end; default the adapter's own. `null` has WebGPU's default limits, checks every command and computes nothing. */
  backend?: string;
  /** Told, in a line, when no hardware adapter was found. Default: stderr. */
  note?: (line: string) => void;
}

/** dawn.node: beside this file (a bundle that travels), else in the npm package `webgpu`. */
function loadDawn(): Dawn {
  const require = createRequire(import.meta.url);
  const beside = join(dirname(fileURLToPath(import.meta.url)), 'dawn.node');
  try {
    if (existsSync(beside)) return require(beside);
    // The package says nothing of its package.json in `exports`, so its entry file is what can be found.
    const folder = dirname(require.resolve('webgpu'));
    const platform = process.platform === 'darwin' ? 'darwin-universal' : `${process.platform}-${process.arch}`;
    return require(join(folder, 'dist', platform, 'dawn.node'));
  } catch (error) {
    throw new LapisError('no-gpu', `WebGPU for Node cannot be opened: ${firstLine(error)}`, { cause: error });
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0];
}

/**
 * Dawn's instances, for as long as the process lives: when the garbage collector takes one while a device of it still has
 * threads, the process crashes or hangs.
 */
const instances: GPU[] = [];

/**
 * What an idle turn of the event loop sleeps while a GPU is open, ms. For as long as a promise of Dawn's is pending, its binding asks the GPU in
 * every turn, which takes a whole core. Each turn ends this much later at most, others' input and output among them; the GPU has work from before.
 */
const NAP_MS = 0.2;
/** A turn that took longer did something, ms: what follows it may not wait. */
const IDLE_MS = 0.1;
const nobody = new Int32Array(new SharedArrayBuffer(4));
let opened = 0;
let naps = false;
let turnBegan = 0;

function nap(): void {
  if (performance.now() - turnBegan < IDLE_MS) Atomics.wait(nobody, 0, 0, NAP_MS);
  turnBegan = performance.now();
  naps = opened > 0;
  // Unreferenced, so that it neither keeps the process alive nor the loop turning.
  if (naps) setImmediate(nap).unref();
}

/** A GPU object that asks the hardware first and SwiftShader when there is none. */
class HardwareFirstGpu implements Omit<GPU, '__brand'> {
  #gpu: GPU | undefined;
  #usesSwiftShader = false;
  readonly #dawn: Dawn;
  readonly #options: string[];
  readonly #note: (line: string) => void;

  constructor(dawn: Dawn, options: string[], note: (line: string) => void) {
    this.#dawn = dawn;
    this.#options = options;
    this.#note = note;
    if (process.platform === 'linux') {
      loadVulkanLoader();
      if (!hasSystemVulkanDriver()) this.#useSwiftShader();
    }
    if (!this.#gpu) this.#createInstance();
    opened++;
    if (!naps) nap();
  }

  get wgslLanguageFeatures(): WGSLLanguageFeatures {
    return this.#open.wgslLanguageFeatures;
  }

  getPreferredCanvasFormat(): GPUTextureFormat {
    return 'bgra8unorm';
  }

  async requestAdapter(options?: GPURequestAdapterOptions): Promise<GPUAdapter | null> {
    const adapter = await this.#open.requestAdapter(options);
    if (adapter || process.platform !== 'linux' || this.#usesSwiftShader) return adapter;
    // The Vulkan loader reads its variables when an instance is made, so a second Dawn instance sees this driver.
    if (!this.#useSwiftShader()) return null;
    return this.#open.requestAdapter(options);
  }

  close(): void {
    if (this.#gpu) opened--;
    this.#gpu = undefined;
  }

  get #open(): GPU {
    if (!this.#gpu) throw new LapisError('no-gpu', 'This WebGPU instance has been closed.');
    return this.#gpu;
  }

  #useSwiftShader(): boolean {
    this.#usesSwiftShader = true;
    const driver = findSwiftShader();
    if (!driver) return false;
    process.env.VK_ICD_FILENAMES = driver;
    this.#note('No hardware WebGPU adapter: computing on the CPU with SwiftShader, which is slow.');
    this.#createInstance();
    return true;
  }

  #createInstance(): void {
    this.#gpu = this.#dawn.create(this.#options);
    instances.push(this.#gpu);
  }
}

/**
 * Opens WebGPU in Node through Dawn: a hardware adapter where there is one, else SwiftShader, which Chromium brings along.
 * VK_ICD_FILENAMES is honoured when set. Installs GPUBufferUsage and its kin as globals.
 * @throws LapisError `no-gpu` when Dawn's library cannot be loaded. Without any adapter `requestAdapter` answers null.
 */
export function openNodeGpu(options: NodeGpuOptions = {}): NodeGpu {
  const dawn = loadDawn();
  for (const [name, value] of Object.entries(dawn.globals)) {
    if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  const features = options.dawnFeatures ?? (process.env.LAPIS_DAWN_FEATURES ?? '').split(',').filter(Boolean);
  const note = options.note ?? ((line) => process.stderr.write(`${line}\n`));
  // A page sees the GPU's clock in steps of 65 µs, which is longer than a kernel takes; here nothing is kept from anybody.
  const dawnOptions = ['disable-dawn-features=timestamp_quantization'];
  if (options.backend) dawnOptions.push(`backend=${options.backend}`);
  if (features.length > 0) dawnOptions.push(`enable-dawn-features=${features.join(',')}`);
  const gpu = new HardwareFirstGpu(dawn, dawnOptions, note);
  return { gpu: gpu as unknown as GPU, close: () => gpu.close() };
}
