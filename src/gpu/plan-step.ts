import { type Dispatch, encodeDispatch } from './kernel.ts';

/** What a plan's dispatch sizes depend on. */
export interface BatchShape {
  rows: number;
  /** One past the highest position of any row. */
  positions: number;
}

/** One dispatch of a recorded plan; only its number of workgroups follows the batch. */
export interface PlanStep {
  dispatch: Dispatch;
  size: (shape: BatchShape) => [x: number, y: number, z: number];
}

/** Encodes a plan for a batch into one pass. */
export function encodePlan(pass: GPUComputePassEncoder, plan: readonly PlanStep[], shape: BatchShape): void {
  for (const { dispatch, size } of plan) encodeDispatch(pass, dispatch, size(shape));
}
