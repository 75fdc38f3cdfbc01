import { describe, expect, test } from 'vitest';
import { filesBelow, importsOf, isTest, readSource, targetOf, withoutComments } from './sources.ts';

/* The rules of ARCHITECTURE.md about who may import whom. Each failure names the file and the rule. */

/** Room → the rooms that it may import besides itself. */
const MAY_IMPORT: Record<string, string[]> = {
  protocol: [],
  model: ['protocol'],
  gpu: ['model', 'protocol'],
  engine: ['gpu', 'model', 'protocol'],
  storage: ['model', 'protocol'],
  offscreen: ['engine', 'gpu', 'storage', 'model', 'protocol'],
  background: ['protocol'],
  page: ['protocol'],
  client: ['protocol'],
  ui: ['client', 'protocol'],
};

/** Rooms that run anywhere: worker, page, Node. */
const ANYWHERE = ['model', 'gpu', 'engine'];

/** Packages that need a browser, an extension or a peer. */
const BOUND_PACKAGES = ['webextension-polyfill', 'comlink', 'idb-keyval', 'preact', '@preact/signals'];

const all = filesBelow('src', /\.tsx?$/);
const product = all.filter((file) => !isTest(file));

const roomOf = (file: string) => /^src\/([^/]+)\//.exec(file)?.[1] ?? '';

/** What a file says about its imports of other rooms, as sentences. */
function importComplaints(file: string, text: string): string[] {
  const room = roomOf(file);
  const complaints: string[] = [];
  for (const { specifier } of importsOf(text)) {
    // `?script` yields the address of a script that someone else runs, not its code.
    if (/[?&]script\b/.test(specifier)) continue;
    const target = targetOf(file, specifier);
    if (target === undefined) {
      if (ANYWHERE.includes(room) && (specifier.startsWith('node:') || BOUND_PACKAGES.includes(specifier))) {
        complaints.push(`${file} imports ${specifier}, but src/${room} runs anywhere.`);
      }
      continue;
    }
    if (!target.startsWith('src/')) {
      complaints.push(`${file} imports ${target}, which is not part of the extension.`);
      continue;
    }
    const other = roomOf(target);
    if (other !== room && !MAY_IMPORT[room]?.includes(other)) {
      const allowed = MAY_IMPORT[room]?.map((name) => `src/${name}`).join(', ') || 'no other room';
      complaints.push(`${file} imports ${target}, but src/${room} may import only ${allowed}.`);
    }
    if (isTest(target)) complaints.push(`${file} imports ${target}, which is for tests.`);
  }
  return complaints;
}

/** A circle of imports at run time through `file`, as `a → b → a`, if there is one. */
function findCircle(graph: Map<string, string[]>): string | undefined {
  const done = new Set<string>();
  const visit = (file: string, path: string[]): string | undefined => {
    const at = path.indexOf(file);
    if (at >= 0) return [...path.slice(at), file].join(' → ');
    if (done.has(file)) return undefined;
    for (const next of graph.get(file) ?? []) {
      const circle = visit(next, [...path, file]);
      if (circle) return circle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of graph.keys()) {
    const circle = visit(file, []);
    if (circle) return circle;
  }
  return undefined;
}

describe('rooms', () => {
  test('every room is known', () => {
    expect([...new Set(all.map(roomOf))].sort()).toEqual(Object.keys(MAY_IMPORT).sort());
  });

  test('import only the rooms that they may', () => {
    expect(product.flatMap((file) => importComplaints(file, readSource(file)))).toEqual([]);
  });

  test('are in no circle', () => {
    const graph = new Map(
      product.map((file) => [
        file,
        importsOf(readSource(file))
          .filter(({ typeOnly, specifier }) => !typeOnly && !/[?&]script\b/.test(specifier))
          .flatMap(({ specifier }) => targetOf(file, specifier) ?? []),
      ]),
    );
    expect(findCircle(graph)).toBeUndefined();
  });

  test('that run anywhere touch no extension, page or disk', () => {
    const bound = /\b(chrome|browser|document|localStorage|process|navigator\.(storage|gpu|serviceWorker))\s*[.?[]/;
    const complaints = product
      .filter((file) => ANYWHERE.includes(roomOf(file)))
      .flatMap((file) => {
        const match = bound.exec(withoutComments(readSource(file), { strings: true }));
        return match ? [`${file} uses ${match[1]}, but src/${roomOf(file)} runs anywhere.`] : [];
      });
    expect(complaints).toEqual([]);
  });

  const importersOf = (name: string) =>
    product.filter((file) =>
      importsOf(readSource(file)).some(({ specifier, typeOnly }) => specifier === name && !typeOnly),
    );

  test('share one import of webextension-polyfill', () => {
    expect(importersOf('webextension-polyfill')).toEqual(['src/protocol/browser.ts']);
  });

  test('have Comlink only between our own contexts, at the two ends of the host channel', () => {
    expect(importersOf('comlink')).toEqual(['src/protocol/host-client.ts', 'src/protocol/host-server.ts']);
  });
});

describe('the norm rule', () => {
  /** Lines where a norm's weight may be getting a 1 added; subscripts and counts (`norms[layer + 1]`, `layerCount + 1`) are none. */
  const additions = (file: string, text: string) => {
    const isNormKernel = /\/kernels\/norm\/.*\.wgsl$/.test(file);
    return withoutComments(text, { strings: true })
      .split('\n')
      .filter((line) => isNormKernel || /norm|factor|gamma/i.test(line))
      .filter((line) =>
        /(?<![\w.])1(\.0*)?f?\s*\+|\+\s*1(\.0*)?f?(?![\w.])/.test(
          line.replace(/\[[^\]]*\]|\w*(count|index|length|layer)\s*\+\s*1/gi, ''),
        ),
      )
      .map((line) => `${file} adds 1 near a norm, which only src/model/norm.ts may: ${line.trim()}`);
  };

  test('has one place: nothing but src/model/norm.ts adds the 1', () => {
    const files = filesBelow('src', /\.(tsx?|wgsl)$/).filter((file) => !isTest(file));
    const found = files.filter((file) => additions(file, readSource(file)).length > 0);
    expect(
      found
        .flatMap((file) => additions(file, readSource(file)))
        .filter((line) => !line.startsWith('src/model/norm.ts ')),
    ).toEqual([]);
    expect(found).toContain('src/model/norm.ts');
  });

  test('is applied by the readers of src/model alone', () => {
    const users = product.filter((file) => /\beffectiveNorm\b/.test(withoutComments(readSource(file))));
    expect(users.filter((file) => roomOf(file) !== 'model')).toEqual([]);
  });

  test('is seen to be broken in a kernel, in code and not in a comment', () => {
    const kernel = 'src/gpu/kernels/norm/norm.wgsl';
    expect(additions(kernel, 'out[i] = x[i] * scale * (1.0 + w[i]);')).toHaveLength(1);
    expect(additions(kernel, '// factor = 1 + w\nout[i + 1u] = w[i];')).toEqual([]);
    expect(additions('src/gpu/plan.ts', 'const factor = norm.map((w) => w + 1);')).toHaveLength(1);
  });
});

describe('the rules themselves', () => {
  test('see a forbidden import in each of its forms', () => {
    const forms = [
      "import { a } from '../engine/engine.ts';",
      "import type { A } from '../engine/engine.ts';",
      "export * from '../engine/engine.ts';",
      "const a = await import('../engine/engine.ts');",
      "new Worker(new URL('../engine/engine.ts', import.meta.url));",
      "import {\n  a,\n  b,\n} from '../engine/engine.ts';",
    ];
    for (const form of forms) {
      expect(importComplaints('src/gpu/plan.ts', form)).toEqual([
        'src/gpu/plan.ts imports src/engine/engine.ts, but src/gpu may import only src/model, src/protocol.',
      ]);
    }
    expect(importComplaints('src/gpu/plan.ts', "// import '../engine/engine.ts'")).toEqual([]);
    expect(importComplaints('src/gpu/plan.ts', "import { readFile } from 'node:fs';")).toHaveLength(1);
    expect(importComplaints('src/ui/a.ts', "import { x } from '../../tools/x.ts';")).toHaveLength(1);
  });

  test('see a circle, unless it is of types only', () => {
    expect(
      findCircle(
        new Map([
          ['a', ['b']],
          ['b', ['c']],
          ['c', ['a']],
        ]),
      ),
    ).toBe('a → b → c → a');
    expect(
      findCircle(
        new Map([
          ['a', ['b', 'c']],
          ['b', ['c']],
          ['c', []],
        ]),
      ),
    ).toBeUndefined();
    expect(importsOf("import { type A, type B } from './b.ts';")).toEqual([{ specifier: './b.ts', typeOnly: true }]);
  });
});
