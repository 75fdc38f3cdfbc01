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
  /** Subgroup matrices of f16. */
  subgroupMatrix?: boolean;
}

/** The whole WGSL text of a kernel, `@unroll` loops written out. */
export function kernelText({ subgroups, subgroupMatrix, constants = {}, parts }: KernelSource): string {
  const declared = Object.entries(constants).map(([name, value]) =>
    name.startsWith('F_') ? `const ${name}: f32 = ${wgslFloat(value)};` : `const ${name}: u32 = ${value}u;`,
  );
  const extensions = [
    ...(subgroups ? ['subgroups'] : []),
    ...(subgroupMatrix ? ['f16', 'chromium_experimental_subgroup_matrix'] : []),
  ];
  const enabled = extensions.length > 0 ? `enable ${extensions.join(', ')};` : '';
  return [enabled, ...declared, unrolled(parts.join('\n'), constants)].join('\n');
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
    const end = endOf(text, start, '{}');
    const body = text.slice(start, end);
    const number = new RegExp(`\\b${name}\\b`, 'g');
    const bodies = Array.from({ length: times }, (_, i) => `{${body.replace(number, `${i}u`)}}`);
    text = text.slice(0, loop.index) + bodies.join(' ') + text.slice(end + 1);
  }
  return text;
}

/** Where the bracket stands that closes what begins at `start`, right behind its opening one. */
export function endOf(text: string, start: number, [opening, closing]: string): number {
  let open = 1;
  for (let at = start; at < text.length; at++) {
    if (text[at] === opening) open++;
    else if (text[at] === closing && --open === 0) return at;
  }
  throw new Error(`A ${opening} of a kernel is never closed.`);
}

/** A float literal that reads back to the same f32. */
function wgslFloat(value: number): string {
  const text = Math.fround(value).toString();
  return `${/[.e]/.test(text) ? text : `${text}.0`}f`;
}

/** A variable of a text that stands for a buffer. Texts number theirs by groups, so that they can be combined. */
export interface BoundVariable {
  /** As it stands in the text. */
  declaration: string;
  group: number;
  binding: number;
  access: 'uniform' | 'read' | 'read_write';
  name: string;
  /** `array<…>`, or a struct. */
  type: string;
}

const BOUND_VARIABLE =
  /@group\((?<group>\d)\)\s*@binding\((?<binding>\d+)\)\s*var<\s*(?<space>uniform|storage)\s*(?:,\s*(?<access>read_write|read))?\s*>\s*(?<name>\w+)\s*:\s*(?<type>[^;]+);/g;

export function boundVariables(text: string): BoundVariable[] {
  return [...text.matchAll(BOUND_VARIABLE)].map(({ 0: declaration, groups }) => {
    const { group, binding, space, access, name, type } = groups as Record<string, string>;
    return {
      declaration,
      group: Number(group),
      binding: Number(binding),
      access: space === 'uniform' ? 'uniform' : access === 'read_write' ? 'read_write' : 'read',
      name: name!,
      type: type!,
    };
  });
}

/** Words of a struct that a text declares, if all its fields are u32. */
export function structWords(text: string, name: string): number | undefined {
  const fields = new RegExp(`\\bstruct ${name} \\{(?<fields>(?:\\s*\\w+: u32,)+)\\s*\\}`).exec(text)?.groups?.fields;
  return fields?.split(',').filter((field) => field.trim()).length;
}

/** A declaration of a variable in group 0, of which each kernel has no other, since each costs the CPU time to set. */
export function declareBinding(
  binding: number,
  { access, name, type }: Omit<BoundVariable, 'group' | 'binding' | 'declaration'>,
): string {
  const space = access === 'uniform' ? 'uniform' : `storage, ${access}`;
  return `@group(0) @binding(${binding}) var<${space}> ${name}: ${type};`;
}

const DECLARED = /^(?:@group\(\d\) @binding\(\d+\) var<.*?>|var<.*?>|fn|const|alias|struct)\s+(\w+)/gm;

/** A text that can stand behind another: all that it declares, and `also`, has the suffix behind its name. */
export function renameDeclared(text: string, suffix: string, also: readonly string[] = []): string {
  const names = [...text.matchAll(DECLARED)].map(([, name]) => name!).concat(also);
  return text.replace(new RegExp(`\\b(${names.join('|')})\\b`, 'g'), `$1${suffix}`);
}
