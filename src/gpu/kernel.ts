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

/** The whole WGSL text of a kernel, `@unroll` loops written out. */
export function kernelText({ subgroups, constants = {}, parts }: KernelSource): string {
  const declared = Object.entries(constants).map(([name, value]) =>
    name.startsWith('F_') ? `const ${name}: f32 = ${wgslFloat(value)};` : `const ${name}: u32 = ${value}u;`,
  );
  return [subgroups ? 'enable subgroups;' : '', ...declared, unrolled(parts.join('\n'), constants)].join('\n');
}

const UNROLL = /@unroll for \(var (?<name>\w+) = 0u; \k<name> < (?<count>\w+); \k<name>\+\+\) \{/;

/**
 * Writes loops marked `@unroll` out, body by body with the number of each, outer ones first. WGSL has no such attribute, and a compiler that leaves
 * a loop over an array of registers a loop puts the array into memory: three times the time of a product of 8 rows on an H100.
 * They count from 0u to a number or to a constant of the kernel.
 */
function unrolled(text: string, constants: Record<string, number>): string {
  for (let loop = UNROLL.exec(text); loop; loop = UNROLL.exec(text)) {
    const { name, count } = loop.groups as { name: string; count: string };
    const times = constants[count] ?? Number.parseInt(count, 10);
    if (Number.isNaN(times))
      throw new Error(`${count} is no constant of the kernel, so its loop cannot be written out.`);
    const start = loop.index + loop[0].length;
    const end = endOfBlock(text, start);
    const body = text.slice(start, end);
    const number = new RegExp(`\\b${name}\\b`, 'g');
    const bodies = Array.from({ length: times }, (_, i) => `{${body.replace(number, `${i}u`)}}`);
    text = text.slice(0, loop.index) + bodies.join(' ') + text.slice(end + 1);
  }
  return text;
}

/** Where the brace stands that closes the block whose inside begins at `start`. */
function endOfBlock(text: string, start: number): number {
  let open = 1;
  for (let at = start; at < text.length; at++) {
    if (text[at] === '{') open++;
    else if (text[at] === '}' && --open === 0) return at;
  }
  throw new Error('A loop to write out has no end.');
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
