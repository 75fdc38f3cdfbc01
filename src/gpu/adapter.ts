import { LapisError } from '../protocol/errors.ts';

/** What asking for an adapter may wait for. */
export interface AdapterOptions {
  signal?: AbortSignal;
  /** For how long a null adapter is asked for again, ms. The GPU process restarts while a browser starts. */
  adapterPatienceMs?: number;
}

/** Asks until there is an adapter. Throws `no-gpu` when there is none, `aborted` when `signal` ends the wait. */
export async function requestAdapter(gpu: GPU, options: AdapterOptions): Promise<GPUAdapter> {
  const deadline = performance.now() + (options.adapterPatienceMs ?? 5000);
  for (;;) {
    options.signal?.throwIfAborted();
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (adapter) return adapter;
    if (performance.now() > deadline) {
      throw new LapisError(
        'no-gpu',
        'WebGPU found no adapter: the GPU is blocked, its driver is too old, or there is none.',
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** The driver and the card, as far as they are told: a page is told neither. */
export function describe({ description, device }: GPUAdapterInfo): string {
  return description && device ? `${description} (${device})` : description || device;
}

/** True for CPU adapters: SwiftShader, WARP, lavapipe. */
export function isSoftware({ isFallbackAdapter, architecture, description }: GPUAdapterInfo): boolean {
  return isFallbackAdapter === true || /swiftshader|llvmpipe|warp|basic render/i.test(`${architecture} ${description}`);
}

/** What products on subgroup matrices need, by Dawn's name for what has no standard yet (2026-11) and is behind flags in browsers. */
export const SUBGROUP_MATRIX_FEATURES = ['shader-f16', 'chromium-experimental-subgroup-matrix'] as GPUFeatureName[];

/** Of a workgroup of matmul_subgroup_matrix.wgsl, bytes. */
export const SUBGROUP_MATRIX_STORAGE = 38 * 1024;

interface SubgroupMatrixConfig {
  componentType: string;
  resultComponentType: string;
  M: number;
  N: number;
  K: number;
}

/** Whether the adapter has the subgroup matrices that matmul_subgroup_matrix.wgsl is written for: 16 × 16 × 16 of f16 with sums in f32. */
export function hasSubgroupMatrix({ features, info, limits }: GPUAdapter): boolean {
  if (!SUBGROUP_MATRIX_FEATURES.every((name) => features.has(name))) return false;
  const { subgroupMatrixConfigs = [] } = info as { subgroupMatrixConfigs?: Iterable<SubgroupMatrixConfig> };
  const fits = ({ componentType, resultComponentType, M, N, K }: SubgroupMatrixConfig) =>
    componentType === 'f16' && resultComponentType === 'f32' && M === 16 && N === 16 && K === 16;
  return (
    info.subgroupMinSize === 32 &&
    info.subgroupMaxSize === 32 &&
    limits.maxComputeWorkgroupStorageSize >= SUBGROUP_MATRIX_STORAGE &&
    [...subgroupMatrixConfigs].some(fits)
  );
}
