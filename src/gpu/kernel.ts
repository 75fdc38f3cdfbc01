import type { BindingAccess, GpuDevice } from './device.ts';
import { boundVariables, declareBinding, type KernelSource, kernelText } from './kernel-text.ts';

/** A buffer, or a range of one. */
export type Binding = GPUBuffer | GPUBufferBinding;

/** What one bind group binds, in order. */
export type Bindings = Binding[];

/** A kernel and what it works on: made once per loaded model. */
export interface BoundKernel {
  label: string;
  pipeline: GPUComputePipeline;
  bindGroup: GPUBindGroup;
}

/** One dispatch with its size. */
export interface Dispatch extends BoundKernel {
  workgroups: [x: number, y: number, z: number];
}

/** A compiled kernel with a bind group for each of its dispatches: `bind` gives one. */
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
    const layout = device.bindGroupLayout(entries);
    return new Kernel(device, source.label, await device.pipeline(source.label, code, layout), layout);
  }

  /** @param groups bindings of group 0, 1, … of the WGSL texts */
  bind(groups: Bindings[], workgroups: [x: number, y?: number, z?: number], label = this.label): Dispatch {
    const [x, y = 1, z = 1] = workgroups;
    const bindGroup = this.#device.bindGroup(label, this.#layout, groups.flat());
    return { label, pipeline: this.#pipeline, bindGroup, workgroups: [x, y, z] };
  }
}

/** Encodes dispatches into a pass, in order. */
export function encode(pass: GPUComputePassEncoder, dispatches: Iterable<Dispatch>): void {
  let before: Dispatch | undefined;
  for (const dispatch of dispatches) {
    encodeDispatch(pass, dispatch, before);
    before = dispatch;
  }
}

/** Encodes one dispatch. Sets only what the dispatch before it has not set: nearly all of a token's CPU time goes into this. */
export function encodeDispatch(
  pass: GPUComputePassEncoder,
  { pipeline, bindGroup, workgroups: [x, y, z] }: Dispatch,
  before?: BoundKernel,
): void {
  if (pipeline !== before?.pipeline) pass.setPipeline(pipeline);
  if (bindGroup !== before?.bindGroup) pass.setBindGroup(0, bindGroup);
  // An argument is converted on its way out of JavaScript, which takes a twentieth of an encoding.
  if (y === 1 && z === 1) pass.dispatchWorkgroups(x);
  else pass.dispatchWorkgroups(x, y, z);
}

/** A WGSL text with the bindings of all its groups in group 0, one group after the other, and their layout. Groups have no gaps. */
function joinGroups(text: string): { code: string; entries: BindingAccess[] } {
  const variables = boundVariables(text).sort((a, b) => a.group - b.group || a.binding - b.binding);
  const code = variables.reduce(
    (joined, variable, index) => joined.replace(variable.declaration, declareBinding(index, variable)),
    text,
  );
  return { code, entries: variables.map(({ access }) => access) };
}
