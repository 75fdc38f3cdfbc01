import { format } from 'node:util';
import { JestAsymmetricMatchers, JestChaiExpect, JestExtend } from '@vitest/expect';
import * as chai from 'chai';

/*
 * Stands in for vitest where only Node and Dawn are: a GPU host without a registry. It has what the GPU tests use, runs them in order
 * and prints a line for each.
 */

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);

export const expect = chai.expect;

type Body = (...args: never[]) => unknown;

interface Suite {
  name: string;
  before: Body[];
  after: Body[];
  entries: ({ kind: 'test'; name: string; body: Body } | { kind: 'suite'; suite: Suite })[];
}

function newSuite(name: string): Suite {
  return { name, before: [], after: [], entries: [] };
}

const root = newSuite('');
let current = root;

function each(define: (name: string, body: Body) => void) {
  return (cases: readonly unknown[]) => (name: string, body: (...args: unknown[]) => unknown) => {
    for (const item of cases) {
      const args = Array.isArray(item) ? item : [item];
      define(title(name, args), () => body(...args));
    }
  };
}

/** `%s` and `%i` from the arguments in order, `$key` from the first. */
function title(name: string, args: unknown[]): string {
  const [first] = args;
  if (typeof first === 'object' && first !== null && !Array.isArray(first)) {
    return name.replace(/\$(\w+)/g, (_, key: string) => String((first as Record<string, unknown>)[key]));
  }
  return format(name, ...args.slice(0, name.match(/%[sdi]/g)?.length ?? 0));
}

export const test = Object.assign(
  /** A test's body stands before its time limit or behind its options; neither limit applies here. */
  (name: string, ...rest: unknown[]) => {
    const body = rest.find((part) => typeof part === 'function') as Body;
    current.entries.push({ kind: 'test', name, body });
  },
  { each: each((name, body) => test(name, body)) },
);

export const describe = Object.assign(
  (name: string, body: Body) => {
    const outer = current;
    const suite = newSuite(name);
    outer.entries.push({ kind: 'suite', suite });
    current = suite;
    (body as () => void)();
    current = outer;
  },
  { each: each((name, body) => describe(name, body)) },
);

export const beforeAll = (body: Body) => void current.before.push(body);
export const afterAll = (body: Body) => void current.after.push(body);

const counts = { passed: 0, failed: 0 };

async function run(suite: Suite, path: string[]): Promise<void> {
  try {
    for (const body of suite.before) await (body as () => unknown)();
    for (const entry of suite.entries) {
      if (entry.kind === 'suite') await run(entry.suite, [...path, entry.suite.name]);
      else await runTest([...path, entry.name].join(' › '), entry.body);
    }
  } catch (error) {
    report([...path, 'set-up'].join(' › '), error);
  }
  for (const body of suite.after) await (body as () => unknown)();
}

async function runTest(name: string, body: Body): Promise<void> {
  const start = performance.now();
  try {
    await (body as () => unknown)();
    counts.passed++;
    process.stdout.write(`ok   ${name} (${(performance.now() - start).toFixed(0)} ms)\n`);
  } catch (error) {
    report(name, error);
  }
}

function report(name: string, error: unknown): void {
  counts.failed++;
  process.stdout.write(
    `FAIL ${name}: ${error instanceof Error ? error.message.split('\n').slice(0, 12).join(' | ') : error}\n`,
  );
}

/** Runs what has been described; called by the bundle after all tests are in. */
export async function runAll(): Promise<void> {
  await run(root, []);
  process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`);
  process.exitCode = counts.failed > 0 ? 1 : 0;
}
