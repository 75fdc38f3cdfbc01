import { bench as attention } from '../kernels/attention/attention.bench.ts';
import { bench as embed } from '../kernels/embed/embed.bench.ts';
import { bench as gelu } from '../kernels/gelu/gelu.bench.ts';
import { bench as matmul } from '../kernels/matmul/matmul.bench.ts';
import { bench as matvec } from '../kernels/matvec/matvec.bench.ts';
import { bench as norm } from '../kernels/norm/norm.bench.ts';
import { bench as repack } from '../kernels/repack/repack.bench.ts';
import { bench as rope } from '../kernels/rope/rope.bench.ts';
import { bench as sample } from '../kernels/sample/sample.bench.ts';
import type { KernelBench } from './kernel-bench.ts';

/** Every kernel's bench, by the name of its folder. */
export const KERNEL_BENCHES: Record<string, KernelBench> = {
  matvec,
  matmul,
  attention,
  norm,
  rope,
  embed,
  gelu,
  sample,
  repack,
};
