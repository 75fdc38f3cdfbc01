import type { GpuDevice } from './device.ts';
import { type Bindings, type BoundKernel, type Dispatch, Kernel } from './kernel.ts';
import type { KernelSource } from './kernel-text.ts';

/** What a plan's dispatch sizes depend on. */
export interface BatchShape {
  rows: number;
  /** Of 64 positions, up to the highest position of any row. */
  blocks: number;
}

/** Workgroups for a batch. */
export type StepSize = (shape: BatchShape) => [x: number, y: number, z: number];

/** A step of a plan as it is described, before it is compiled and bound. */
export interface StepSource {
  kernel: KernelSource;
  /** Bindings of group 0, 1, … of the kernel's texts. */
  groups: Bindings[];
  size: StepSize;
  /** Default the kernel's. */
  label?: string;
  /** Of a step that may stand in one pipeline with another (paired-pipelines.ts): workgroup memory that it takes at most. */
  pairBytes?: number;
}

/** One dispatch of a recorded plan; only its number of workgroups follows the batch. */
export interface PlanStep {
  dispatch: BoundKernel;
  size: StepSize;
}

/** Compiles steps, each with a bind group of its own. */
export function bindEach(device: GpuDevice, sources: readonly StepSource[]): Promise<PlanStep[]> {
  return Promise.all(
    sources.map(async ({ kernel, groups, size, label }) => ({
      dispatch: (await Kernel.compile(device, kernel)).bind(groups, [1], label),
      size,
    })),
  );
}

/** A plan's dispatches for a batch: written out, since objects of one shape are read faster, whatever the steps are made of. */
export function dispatchesOf(plan: readonly PlanStep[], shape: BatchShape): Dispatch[] {
  return plan.map(({ dispatch: { label, pipeline, bindGroup }, size }) => ({
    label,
    pipeline,
    bindGroup,
    workgroups: size(shape),
  }));
}
