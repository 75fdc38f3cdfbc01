import type { BindingAccess, GpuDevice } from './device.ts';
import type { Binding, Bindings } from './kernel.ts';
import { type BoundVariable, boundVariables, declareBinding, endOf, kernelText, structWords } from './kernel-text.ts';
import { compileInPairs } from './paired-pipelines.ts';
import type { PlanStep, StepSource } from './plan-step.ts';

/** One binding of a shared bind group: texts read and write the ranges that they name through it. */
export interface View {
  binding: Binding;
  access: BindingAccess;
  /** The WGSL type, an `array<…>` of words or vectors of words. */
  type: string;
}

/** What is bound elsewhere and always the same here: texts have it as a constant, which takes no binding. */
export interface Known {
  binding: Binding;
  /** A WGSL expression. */
  value: string;
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
  { views, known = [] }: { views: readonly View[]; known?: readonly Known[] },
  sources: readonly StepSource[],
): Promise<PlanStep[]> {
  const layout = device.bindGroupLayout(views.map(({ access }) => access));
  const bindings = views.map(({ binding }) => binding);
  const bindGroup = device.bindGroup(label, layout, bindings);
  const steps = sources.map((source) => ({
    source,
    code: throughViews(kernelText(source.kernel), source.groups, views, known),
  }));
  return compileInPairs(device, { layout, bindGroup }, steps);
}

/** A text with each of its variables read and written through a view, or a constant. */
export function throughViews(
  text: string,
  groups: readonly Bindings[],
  views: readonly View[],
  known: readonly Known[] = [],
): string {
  const declarations = new Set<string>();
  for (const variable of boundVariables(text)) {
    const binding = groups[variable.group]![variable.binding]!;
    const constant = known.find((one) => one.binding === binding);
    if (constant) {
      text = text.replace(variable.declaration, `const ${variable.name} = ${constant.value};`);
      continue;
    }
    const { index, access } = accessThrough(variable, text, binding, views);
    text = replaceElements(text.replace(variable.declaration, ''), variable.name, access.element);
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
  text: string,
  binding: Binding,
  views: readonly View[],
): { index: number; access: Access } {
  const range = rangeOf(binding);
  const found = views.flatMap((view, index) => {
    const { buffer, offset, end } = rangeOf(view.binding);
    if (buffer !== range.buffer || range.offset < offset || range.end > end) return [];
    if (variable.access !== view.access && !(variable.access === 'read' && view.access === 'read_write')) return [];
    const [from, to] = [elementsOf(view.type, text), elementsOf(variable.type, text)];
    const access = from && to && accessOf(from, to, variable.access, viewName(index), (range.offset - offset) / 4);
    return access ? [{ index, access }] : [];
  });
  const best = found.sort((a, b) => a.access.detour - b.access.detour)[0];
  if (best) return best;
  throw new Error(`No view of the shared bind group serves ${variable.name}: ${variable.type}, ${variable.access}.`);
}

/** Access by elements `to` that begin `first` words behind the beginning of a view `name` of elements `from`. */
function accessOf(
  from: Elements,
  to: Elements,
  access: BindingAccess,
  name: string,
  first: number,
): Access | undefined {
  const cast = (value: string) => (from.scalar === to.scalar ? value : `bitcast<${to.name}>(${value})`);
  if (from.words === to.words && !to.struct && first % from.words === 0) {
    if (access !== 'read' && from.scalar !== to.scalar) return undefined;
    const begin = first === 0 ? '' : `${first / from.words}u + `;
    const element = (at: string) => cast(begin ? `${name}[${begin}(${at})]` : `${name}[${at}]`);
    return { detour: from.scalar === to.scalar ? 0 : 1, element };
  }
  if (access !== 'read') return undefined;
  if (to.words === 1 && !to.struct) {
    const word = (at: string) => `(${first}u + (${at}))`;
    return { detour: 2, element: (at) => cast(`${name}[${word(at)} / ${from.words}u][${word(at)} % ${from.words}u]`) };
  }
  if (to.words % from.words !== 0 || first % from.words !== 0) return undefined;
  if (to.struct && (from.scalar !== 'u32' || from.words > 1)) return undefined;
  const count = to.words / from.words;
  const made = to.struct ? to.name : `vec${to.words}<${from.scalar}>`;
  const helper = `${name}_${to.struct ? to.name : `${to.words}_words`}`;
  const parts = Array.from({ length: count }, (_, i) => `${name}[at + ${i}u]`);
  return {
    detour: 3,
    element: (at) => cast(`${helper}(${first / from.words}u + ${count}u * (${at}))`),
    helper: `fn ${helper}(at: u32) -> ${made} { return ${made}(${parts.join(', ')}); }`,
  };
}

/** The elements of an array. */
interface Elements {
  name: string;
  scalar: string;
  words: number;
  struct: boolean;
}

/** Words, vectors of words, or structs of u32, as the text declares them. */
function elementsOf(array: string, text: string): Elements | undefined {
  const name = /^array<(?<name>.+)>$/.exec(array)?.groups?.name;
  const vector = /^(?:vec(?<size>[24])<)?(?<scalar>u32|f32)>?$/.exec(name ?? '')?.groups;
  if (name && vector) return { name, scalar: vector.scalar!, words: Number(vector.size ?? 1), struct: false };
  const words = structWords(text, name ?? '');
  return name && words ? { name, scalar: 'u32', words, struct: true } : undefined;
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
