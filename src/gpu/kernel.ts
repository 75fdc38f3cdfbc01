import type { GpuDevice } from './device.ts';

/** Buffers of one bind group, in order of binding. */
export type Bindings = (GPUBuffer | GPUBufferBinding)[];

/** One dispatch of a recorded plan: everything but the number of workgroups is made once per loaded model. */
export interface Dispatch {
  label: string;
  pipeline: GPUComputePipeline;
  bindGroups: GPUBindGroup[];
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

/** A compiled kernel: `bind` gives a dispatch. Bind group layouts are explicit, since `layout: 'auto'` drops unused bindings. */
export class Kernel {
  readonly label: string;
  readonly #device: GpuDevice;
  readonly #pipeline: GPUComputePipeline;
  readonly #layouts: GPUBindGroupLayout[];

  private constructor(device: GpuDevice, label: string, pipeline: GPUComputePipeline, layouts: GPUBindGroupLayout[]) {
    this.#device = device;
    this.label = label;
    this.#pipeline = pipeline;
    this.#layouts = layouts;
  }

  static async compile(device: GpuDevice, source: KernelSource): Promise<Kernel> {
    const code = kernelText(source);
    const layouts = bindGroupLayouts(device.device, code);
    const layout = device.device.createPipelineLayout({ bindGroupLayouts: layouts });
    const pipeline = await device.pipeline(source.label, code, layout);
    return new Kernel(device, source.label, pipeline, layouts);
  }

  /** @param groups bindings of group 0, 1, … */
  bind(groups: Bindings[], workgroups: [x: number, y?: number, z?: number], label = this.label): Dispatch {
    const bindGroups = this.#layouts.map((layout, group) =>
      this.#device.device.createBindGroup({
        label,
        layout,
        entries: (groups[group] ?? []).map((binding, index) => ({
          binding: index,
          resource: 'buffer' in binding ? binding : { buffer: binding },
        })),
      }),
    );
    return {
      label,
      pipeline: this.#pipeline,
      bindGroups,
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
  { pipeline, bindGroups }: Dispatch,
  workgroups: [x: number, y: number, z: number],
): void {
  pass.setPipeline(pipeline);
  for (let group = 0; group < bindGroups.length; group++) pass.setBindGroup(group, bindGroups[group]!);
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

const BINDING = /@group\((\d)\)\s*@binding\((\d+)\)\s*var<\s*(uniform|storage)\s*(?:,\s*(read_write|read))?\s*>/g;

/** Layouts as the WGSL text declares them. Bindings of a group are numbered from 0 without gaps. */
function bindGroupLayouts(device: GPUDevice, code: string): GPUBindGroupLayout[] {
  const groups: GPUBindGroupLayoutEntry[][] = [];
  for (const [, group, binding, space, access] of code.matchAll(BINDING)) {
    groups[Number(group)] ??= [];
    const type = space === 'uniform' ? 'uniform' : access === 'read_write' ? 'storage' : 'read-only-storage';
    groups[Number(group)]!.push({
      binding: Number(binding),
      visibility: 4 /* GPUShaderStage.COMPUTE */,
      buffer: { type },
    });
  }
  return Array.from(groups, (entries) => device.createBindGroupLayout({ entries: entries ?? [] }));
}
