import type { BindingAccess, GpuDevice } from './device.ts';
import type { Binding, Bindings } from './kernel.ts';
import { type BoundVariable, boundVariables, declareBinding, endOf, kernelText } from './kernel-text.ts';
import type { PlanStep, StepSource } from './plan-step.ts';

/** One binding of a shared bind group: texts read and write the ranges that they name through it. */
export interface View {
  binding: Binding;
  access: BindingAccess;
  /** The WGSL type: `array<…>`, or a struct. */
  type: string;
}

/**
 * Compiles steps that share one bind group, since setting one for each takes a sixth of the CPU's time for a token. Kernels are written for buffers
 * of their own; here a variable's range is found in a view of the same buffer, and `name[i]` becomes `view_3[offset + (i)]`, the offset a
 * constant of the text. What is written has one view, since WebGPU lets no two writable bindings overlap.
 * Throws `Error` for a variable that no view serves: that is a mistake in the plan.
 */
export function bindTogether(
  device: GpuDevice,
  label: string,
  views: readonly View[],
  sources: readonly StepSource[],
): Promise<PlanStep[]> {
  const layout = device.bindGroupLayout(views.map(({ access }) => access));
  const bindings = views.map(({ binding }) => binding);
  const bindGroup = device.bindGroup(label, layout, bindings);
  return Promise.all(
    sources.map(async ({ kernel, groups, size, label: step = kernel.label }) => {
      const code = throughViews(kernelText(kernel), groups, views);
      const pipeline = await device.pipeline(kernel.label, code, layout);
      return { dispatch: { label: step, pipeline, bindGroup }, size };
    }),
  );
}

/** A text with each of its variables read and written through a view. */
export function throughViews(text: string, groups: readonly Bindings[], views: readonly View[]): string {
  const declarations = new Set<string>();
  for (const variable of boundVariables(text)) {
    const { index, access } = accessThrough(variable, groups[variable.group]![variable.binding]!, views);
    text = text.replace(variable.declaration, '');
    text = variable.type.startsWith('array<')
      ? replaceElements(text, variable.name, access.element)
      : text.replace(new RegExp(`\\b${variable.name}\\b`, 'g'), viewName(index));
    declarations.add(declareBinding(index, { ...views[index]!, name: viewName(index) }));
    if (access.helper) declarations.add(access.helper);
  }
  return [text, ...declarations].join('\n');
}

/** How a variable is accessed through a view. */
interface Access {
  /** What it costs: the view that serves a variable with the least is taken. */
  detour: number;
  /** What element `at` of the variable is in the view. */
  element: (at: string) => string;
  /** A function that `element` calls. */
  helper?: string;
}

function accessThrough(
  variable: BoundVariable,
  binding: Binding,
  views: readonly View[],
): { index: number; access: Access } {
  const range = rangeOf(binding);
  const found = views.flatMap((view, index) => {
    const { buffer, offset, end } = rangeOf(view.binding);
    if (buffer !== range.buffer || range.offset < offset || range.end > end) return [];
    if (variable.access !== view.access && !(variable.access === 'read' && view.access === 'read_write')) return [];
    const access = accessOf(variable, view, viewName(index), (range.offset - offset) / 4);
    return access ? [{ index, access }] : [];
  });
  const best = found.sort((a, b) => a.access.detour - b.access.detour)[0];
  if (best) return best;
  throw new Error(`No view of the shared bind group serves ${variable.name}: ${variable.type}, ${variable.access}.`);
}

/** Access to a variable that begins `first` words behind the beginning of a view. */
function accessOf({ type, access }: BoundVariable, view: View, name: string, first: number): Access | undefined {
  if (view.type === type && first === 0) return { detour: 0, element: (at) => `${name}[${at}]` };
  const [from, to] = [elementOf(view.type), elementOf(type)];
  if (!from || !to) return undefined;
  const cast = (value: string) => (from.scalar === to.scalar ? value : `bitcast<${to.name}>(${value})`);
  if (from.words === to.words && first % from.words === 0) {
    if (access !== 'read' && from.scalar !== to.scalar) return undefined;
    const element = (at: string) => cast(`${name}[${first / from.words}u + (${at})]`);
    return { detour: from.scalar === to.scalar ? 0 : 1, element };
  }
  if (access !== 'read') return undefined;
  if (to.words === 1) {
    const word = (at: string) => `(${first}u + (${at}))`;
    return { detour: 2, element: (at) => cast(`${name}[${word(at)} / ${from.words}u][${word(at)} % ${from.words}u]`) };
  }
  if (from.words > 1) return undefined;
  const helper = `${name}_${to.words}_words`;
  const vector = `vec${to.words}<${from.scalar}>`;
  const words = Array.from({ length: to.words }, (_, i) => `${name}[at + ${i}u]`);
  return {
    detour: 3,
    element: (at) => cast(`${helper}(${first}u + ${to.words}u * (${at}))`),
    helper: `fn ${helper}(at: u32) -> ${vector} { return ${vector}(${words.join(', ')}); }`,
  };
}

/** The elements of an array of words or of vectors of words. */
function elementOf(array: string): { name: string; scalar: string; words: number } | undefined {
  const {
    name = '',
    size = '1',
    scalar = '',
  } = /^array<(?<name>(?:vec(?<size>[24])<)?(?<scalar>u32|f32)>?)>$/.exec(array)?.groups ?? {};
  return scalar ? { name, scalar, words: Number(size) } : undefined;
}

function viewName(index: number): string {
  return `view_${index}`;
}

function rangeOf(binding: Binding): { buffer: GPUBuffer; offset: number; end: number } {
  if (!('buffer' in binding)) return { buffer: binding, offset: 0, end: binding.size };
  const { buffer, offset = 0, size = buffer.size - offset } = binding;
  return { buffer, offset, end: offset + size };
}

/** Replaces `name[i]` by what `element` makes of i. */
function replaceElements(text: string, name: string, element: (at: string) => string): string {
  const indexed = new RegExp(`(?<![.\\w])${name}\\[`, 'g');
  for (let match = indexed.exec(text); match; match = indexed.exec(text)) {
    const start = match.index + match[0].length;
    const end = endOf(text, start, '[]');
    text = text.slice(0, match.index) + element(text.slice(start, end)) + text.slice(end + 1);
    // Inside what was written, where the index may name another element.
    indexed.lastIndex = match.index;
  }
  return text;
}
