import type { GpuDevice } from './device.ts';

/** Buffers of one bind group, in order of binding. */
export type Bindings = (GPUBuffer | GPUBufferBinding)[];

/** One dispatch of a recorded plan: everything but the number of workgroups is made once per loaded model. */
export interface Dispatch {
  label: string;
  pipeline: GPUComputePipeline;
  bindGroup: GPUBindGroup;
  workgroups: [x: number, y: number, z: number];
}

/**
 * A kernel as text: constants, then WGSL files that build on each other (a weight layout, a reduction, the kernel itself).
 * Constants are written as `const NAME: u32`, since an array in a function cannot be sized by an `override`.
 */
export interface KernelSource {
  label: string;
  /** `f32` where the name begins with `F_`, else `u32`. */
  constants?: Record<string, number>;
  /** WGSL texts in order. */
  parts: string[];
  subgroups?: boolean;
}

/**
 * A compiled kernel: `bind` gives a dispatch. The bind group layout is explicit, since `layout: 'auto'` drops unused bindings. WGSL texts
 * number their bindings by groups, so that they can be combined; a kernel has one bind group, since each costs the CPU time to set.
 */
export class Kernel {
  readonly label: string;
  readonly #device: GpuDevice;
  readonly #pipeline: GPUComputePipeline;
  readonly #layout: GPUBindGroupLayout;

  private constructor(device: GpuDevice, label: string, pipeline: GPUComputePipeline, layout: GPUBindGroupLayout) {
    this.#device = device;
    this.label = label;
    this.#pipeline = pipeline;
    this.#layout = layout;
  }

  static async compile(device: GpuDevice, source: KernelSource): Promise<Kernel> {
    const { code, entries } = joinGroups(kernelText(source));
    const layout = device.device.createBindGroupLayout({ entries });
    const pipelineLayout = device.device.createPipelineLayout({ bindGroupLayouts: [layout] });
    const pipeline = await device.pipeline(source.label, code, pipelineLayout);
    return new Kernel(device, source.label, pipeline, layout);
  }

  /** @param groups bindings of group 0, 1, … of the WGSL texts */
  bind(groups: Bindings[], workgroups: [x: number, y?: number, z?: number], label = this.label): Dispatch {
    const entries = groups.flat().map((binding, index) => ({
      binding: index,
      resource: 'buffer' in binding ? binding : { buffer: binding },
    }));
    return {
      label,
      pipeline: this.#pipeline,
      bindGroup: this.#device.device.createBindGroup({ label, layout: this.#layout, entries }),
      workgroups: [workgroups[0], workgroups[1] ?? 1, workgroups[2] ?? 1],
    };
  }
}

/** Encodes dispatches into a pass, in order. */
export function encode(pass: GPUComputePassEncoder, dispatches: Iterable<Dispatch>): void {
  for (const dispatch of dispatches) encodeDispatch(pass, dispatch, dispatch.workgroups);
}

/** Encodes one dispatch with a number of workgroups of the moment. */
export function encodeDispatch(
  pass: GPUComputePassEncoder,
  { pipeline, bindGroup }: Dispatch,
  workgroups: [x: number, y: number, z: number],
): void {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(...workgroups);
}

/** The whole WGSL text of a kernel. */
export function kernelText(source: KernelSource): string {
  const constants = Object.entries(source.constants ?? {}).map(([name, value]) =>
    name.startsWith('F_') ? `const ${name}: f32 = ${wgslFloat(value)};` : `const ${name}: u32 = ${value}u;`,
  );
  return [source.subgroups ? 'enable subgroups;' : '', ...constants, ...source.parts].join('\n');
}

/** A float literal that reads back to the same f32. */
function wgslFloat(value: number): string {
  const text = Math.fround(value).toString();
  return `${/[.e]/.test(text) ? text : `${text}.0`}f`;
}

const BINDING =
  /@group\((?<group>\d)\)\s*@binding\((?<binding>\d+)\)\s*(?<declaration>var<\s*(?<space>uniform|storage)\s*(?:,\s*(?<access>read_write|read))?\s*>)/g;

/** A WGSL text with the bindings of all its groups in group 0, one group after the other, and their layout. Groups have no gaps. */
function joinGroups(text: string): { code: string; entries: GPUBindGroupLayoutEntry[] } {
  const counts: number[] = [];
  for (const { groups } of text.matchAll(BINDING))
    counts[Number(groups!.group)] = (counts[Number(groups!.group)] ?? 0) + 1;
  const entries: GPUBindGroupLayoutEntry[] = [];
  const code = text.replace(BINDING, (...match) => {
    const { group, binding, declaration, space, access } = match.at(-1) as Record<string, string>;
    const before = counts.slice(0, Number(group)).reduce((sum, count) => sum + count, 0);
    const joined = before + Number(binding);
    const type = space === 'uniform' ? 'uniform' : access === 'read_write' ? 'storage' : 'read-only-storage';
    entries.push({ binding: joined, visibility: 4 /* GPUShaderStage.COMPUTE */, buffer: { type } });
    return `@group(0) @binding(${joined}) ${declaration}`;
  });
  return { code, entries };
}
