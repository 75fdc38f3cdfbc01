import { LapisError } from '../protocol/errors.ts';
import type { AdapterDescription } from '../protocol/generation.ts';
import {
  type AdapterOptions,
  describe,
  hasSubgroupMatrix,
  isSoftware,
  requestAdapter,
  SUBGROUP_MATRIX_FEATURES,
} from './adapter.ts';

/** The limits Lapis asks for by name; each is requested at the adapter's own maximum (the defaults are far too small). */
const WANTED_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupStorageSize',
] as const;

/** What kernels.ts and the kernels need at least; anything with WebGPU has it, except where named in the error. */
const NEEDED = { maxStorageBuffersPerShaderStage: 8, maxComputeInvocationsPerWorkgroup: 256 } as const;

/** What a kernel does with a buffer. */
export type BindingAccess = 'uniform' | 'read' | 'read_write';

const BUFFER_TYPES = { uniform: 'uniform', read: 'read-only-storage', read_write: 'storage' } as const;

/** The features that change which kernels run. */
export interface GpuFeatures {
  /** Subgroup shuffles may be used within aligned runs of this many invocations; 1 without subgroups. */
  shuffleWidth: number;
  timestampQuery: boolean;
  /** Run the kernels without workgroup memory tiles and shuffles: on CPU adapters, and where the others fail. */
  naive: boolean;
  /** Kernels may read and write through views of a shared bind group: off where those fail. */
  sharedBindGroups: boolean;
  /** Products of prompt rows run on subgroup matrices: where the device has them, off where they fail or are not faster. */
  subgroupMatrix: boolean;
  /** They are used whatever time they take (tests). */
  subgroupMatrixUntimed?: boolean;
}

export interface GpuDeviceOptions extends AdapterOptions {
  /** Leave the subgroup kernels out, whatever the adapter has (tests, and adapters that failed their known-answer test). */
  withoutSubgroups?: boolean;
  /** Overrides which kernels run (tests); by default the naive ones on CPU adapters only. */
  naive?: boolean;
  /** Whether prompts are multiplied on subgroup matrices, where the device has them (tests); by default where they are faster. */
  subgroupMatrix?: boolean;
  /** For bench and tests: asks for timestamp queries. */
  timestamps?: boolean;
  /** A smaller `maxBindingBytes` than the adapter's (tests). */
  maxBindingBytes?: number;
  /** Fewer storage buffers a kernel than the adapter allows, at least 8 (tests). */
  maxStorageBuffers?: number;
}

/** A WebGPU device with what Lapis asked of it, and an account of the memory it holds. */
export class GpuDevice {
  readonly device: GPUDevice;
  readonly adapter: AdapterDescription;
  readonly features: GpuFeatures;
  /** True for CPU adapters (SwiftShader, WARP, lavapipe): chunks are smaller there. */
  readonly software: boolean;
  /** The largest storage binding, bytes: a tensor that exceeds it is split by rows. */
  readonly maxBindingBytes: number;
  /** Resolves with a sentence when the device is gone. */
  readonly lost: Promise<string>;
  #bytes = 0;
  readonly #live = new Set<GPUBuffer>();
  #compiling = 0;
  #ended = false;
  readonly #end: () => void;
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();

  private constructor(
    device: GPUDevice,
    info: GPUAdapterInfo,
    features: GpuFeatures,
    software: boolean,
    maxBindingBytes: number,
  ) {
    this.device = device;
    const { maxStorageBufferBindingSize, maxBufferSize } = device.limits;
    this.maxBindingBytes = Math.min(maxStorageBufferBindingSize, maxBufferSize, maxBindingBytes);
    this.adapter = { vendor: info.vendor, architecture: info.architecture, description: describe(info) };
    this.features = features;
    this.software = software;
    const failed = new Promise<string>((resolve) => {
      device.addEventListener('uncapturederror', (event) =>
        resolve(`The GPU refused a command: ${event.error.message}`),
      );
    });
    const gone = device.lost.then((info) => info.message || `The GPU device was lost (${info.reason}).`);
    let end = () => {};
    const ended = new Promise<string>((resolve) => {
      end = () => resolve('The GPU device was given back.');
    });
    this.#end = end;
    this.lost = Promise.race([gone, failed, ended]);
  }

  /**
   * Opens the best adapter. Throws `no-gpu` with what is missing, `aborted` when `signal` ends the wait.
   * @param gpu `navigator.gpu`, or Dawn's in Node
   */
  static async open(gpu: GPU | undefined, options: GpuDeviceOptions = {}): Promise<GpuDevice> {
    if (!gpu) throw new LapisError('no-gpu', 'This browser has no WebGPU.');
    const adapter = await requestAdapter(gpu, options);
    for (const [name, least] of Object.entries(NEEDED) as [keyof typeof NEEDED, number][]) {
      if (adapter.limits[name] < least) {
        throw new LapisError('no-gpu', `The GPU's ${name} is ${adapter.limits[name]}; Lapis needs ${least}.`);
      }
    }
    const requiredFeatures: GPUFeatureName[] = [];
    const subgroups = !options.withoutSubgroups && adapter.features.has('subgroups');
    if (subgroups) requiredFeatures.push('subgroups');
    const timestampQuery = options.timestamps === true && adapter.features.has('timestamp-query');
    if (timestampQuery) requiredFeatures.push('timestamp-query');
    const software = isSoftware(adapter.info);
    const naive = options.naive ?? software;
    const subgroupMatrix = subgroups && !naive && options.subgroupMatrix !== false && hasSubgroupMatrix(adapter);
    if (subgroupMatrix) requiredFeatures.push(...SUBGROUP_MATRIX_FEATURES);
    const requiredLimits = Object.fromEntries(WANTED_LIMITS.map((name) => [name, adapter.limits[name]]));
    if (options.maxStorageBuffers) requiredLimits.maxStorageBuffersPerShaderStage = options.maxStorageBuffers;
    const device = await adapter.requestDevice({ requiredFeatures, requiredLimits });
    const features: GpuFeatures = {
      shuffleWidth: subgroups ? adapter.info.subgroupMinSize : 1,
      timestampQuery,
      naive,
      sharedBindGroups: true,
      subgroupMatrix,
      subgroupMatrixUntimed: options.subgroupMatrix,
    };
    return new GpuDevice(device, adapter.info, features, software, options.maxBindingBytes ?? Number.POSITIVE_INFINITY);
  }

  /** WebGPU features that its kernels use. */
  get featuresInUse(): string[] {
    const { naive, subgroupMatrix } = this.features;
    const unused: string[] = [...(naive ? ['subgroups'] : []), ...(subgroupMatrix ? [] : SUBGROUP_MATRIX_FEATURES)];
    return [...this.device.features].filter((name) => !unused.includes(name)).sort();
  }

  /** Live size of all buffers made by `createBuffer`, bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A buffer of at least `bytes` bytes, zeroed. WebGPU can make empty buffers but not bind them: the least size is 16. */
  createBuffer(label: string, bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    return this.#create(label, bytes, usage, false);
  }

  /** The same, mapped for writing. */
  createMappedBuffer(label: string, bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    return this.#create(label, bytes, usage, true);
  }

  #create(label: string, bytes: number, usage: GPUBufferUsageFlags, mappedAtCreation: boolean): GPUBuffer {
    const size = Math.max(16, Math.ceil(bytes / 16) * 16);
    const { maxBufferSize } = this.device.limits;
    if (size > maxBufferSize) {
      throw new LapisError(
        'no-gpu',
        `${label} needs ${size} bytes of GPU memory in one buffer; this GPU allows ${maxBufferSize}.`,
      );
    }
    let buffer: GPUBuffer;
    try {
      buffer = this.device.createBuffer({ label, size, usage, mappedAtCreation });
    } catch (cause) {
      // Of a mapped buffer alone, whose memory is needed at once.
      throw new LapisError('no-gpu', `There is too little free memory for ${label}, which needs ${size} bytes.`, {
        cause,
      });
    }
    this.#bytes += size;
    this.#live.add(buffer);
    const destroy = buffer.destroy.bind(buffer);
    buffer.destroy = () => {
      if (this.#live.delete(buffer)) this.#bytes -= size;
      destroy();
    };
    return buffer;
  }

  /** The layout of a bind group for compute shaders, by what is done with its buffers; one object for all that are alike. */
  bindGroupLayout(accesses: readonly BindingAccess[]): GPUBindGroupLayout {
    const key = accesses.join();
    let layout = this.#layouts.get(key);
    if (!layout) {
      const entries = accesses.map((access, binding) => ({
        binding,
        visibility: 4 /* GPUShaderStage.COMPUTE */,
        buffer: { type: BUFFER_TYPES[access] },
      }));
      layout = this.device.createBindGroupLayout({ label: key, entries });
      this.#layouts.set(key, layout);
    }
    return layout;
  }

  bindGroup(
    label: string,
    layout: GPUBindGroupLayout,
    bindings: readonly (GPUBuffer | GPUBufferBinding)[],
  ): GPUBindGroup {
    const entries = bindings.map((binding, index) => ({
      binding: index,
      resource: 'buffer' in binding ? binding : { buffer: binding },
    }));
    return this.device.createBindGroup({ label, layout, entries });
  }

  /**
   * The pipeline of a WGSL text whose bindings have an explicit layout, since `layout: 'auto'` drops those that are not used. Compiled once
   * however often it is asked for. Rejects with `internal` and the compiler's words, and with `device-lost` once the device was destroyed.
   */
  async pipeline(label: string, code: string, bindGroupLayout: GPUBindGroupLayout): Promise<GPUComputePipeline> {
    if (this.#ended) throw new LapisError('device-lost', `The GPU device was given back before ${label} was compiled.`);
    const key = `${bindGroupLayout.label}\n${code}`;
    let pipeline = this.#pipelines.get(key);
    if (!pipeline) {
      const layout = this.device.createPipelineLayout({ bindGroupLayouts: [bindGroupLayout] });
      // A text that is refused is whoever asked's to deal with, and no reason to take the device for lost.
      this.device.pushErrorScope('validation');
      const module = this.device.createShaderModule({ label, code });
      this.device.popErrorScope().catch(() => undefined);
      pipeline = this.device
        .createComputePipelineAsync({ label, layout, compute: { module, entryPoint: 'main' } })
        .catch(async (cause: unknown) => {
          const { messages } = await module.getCompilationInfo();
          const error = messages.find((message) => message.type === 'error');
          const reason = error
            ? `${error.message} (line ${error.lineNum})`
            : cause instanceof Error
              ? cause.message
              : String(cause);
          throw new LapisError('internal', `Kernel ${label} does not compile: ${reason}`, { cause });
        })
        .finally(() => {
          if (--this.#compiling === 0 && this.#ended) this.device.destroy();
        });
      this.#compiling++;
      this.#pipelines.set(key, pipeline);
    }
    return pipeline;
  }

  /** Reads `bytes` of a buffer back (a copy, then a map). Throws `device-lost`. */
  async read(buffer: GPUBuffer, bytes: number, offset = 0): Promise<ArrayBuffer> {
    const staging = this.device.createBuffer({ label: 'read back', size: bytes, usage: MAP_READ | COPY_DST });
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, offset, staging, 0, bytes);
    this.device.queue.submit([encoder.finish()]);
    try {
      await staging.mapAsync(MAP_MODE_READ);
    } catch (cause) {
      throw new LapisError('device-lost', 'The GPU device was lost while a buffer was being read back.', { cause });
    }
    const copy = staging.getMappedRange().slice(0);
    staging.destroy();
    return copy;
  }

  /** Resolves when everything that was submitted is done, or the device is gone. */
  async idle(): Promise<void> {
    await Promise.race([this.device.queue.onSubmittedWorkDone(), this.device.lost]).catch(() => undefined);
  }

  /**
   * Frees every buffer, and the device as soon as it compiles nothing: Dawn waits for that first, in Node with the event loop, in a browser with
   * the process that draws every page.
   */
  destroy(): void {
    this.#ended = true;
    for (const buffer of this.#live) buffer.destroy();
    if (this.#compiling === 0) this.device.destroy();
    this.#end();
  }
}

/** Where a bound range of a buffer may begin, bytes: WebGPU's default `minStorageBufferOffsetAlignment`. */
export const RANGE_ALIGNMENT = 256;

// GPUBufferUsage is a global only in browsers; the values are fixed by the WebGPU specification.
export const MAP_READ = 0x0001;
export const MAP_WRITE = 0x0002;
export const COPY_SRC = 0x0004;
export const COPY_DST = 0x0008;
export const UNIFORM = 0x0040;
export const STORAGE = 0x0080;
export const QUERY_RESOLVE = 0x0200;
export const MAP_MODE_READ = 0x0001;
export const MAP_MODE_WRITE = 0x0002;
