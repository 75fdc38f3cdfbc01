// @ts-check
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBrowser } from './setup/browser.mjs';
import { ensureBuilt } from './setup/build.mjs';
import { ensureDependencies } from './setup/dependencies.mjs';
import { execute } from './setup/execute.mjs';
import { checkNode } from './setup/node-version.mjs';
import { SetupError, say } from './setup/say.mjs';

/*
 * `npm test` installs what is missing, then checks types, format, lint and dead code, builds, and runs every test; `npm test --
 * PATH` runs the tests whose path contains PATH. `--long` runs full counts. The last line reads "N passed, N failed, N skipped".
 */

const root = fileURLToPath(new URL('..', import.meta.url));

/** What is checked besides the tests: name → program and arguments below node_modules. */
const CHECKS = [
  ['types', 'typescript/bin/tsc', '--noEmit'],
  ['format and lint', '@biomejs/biome/bin/biome', 'ci', '--error-on-warnings', '.'],
  ['dead code', 'knip/bin/knip.js'],
];

/**
 * Tests of the whole extension start browsers that compute on the CPU: one at a time, and after the others.
 * @type {[name: string, ...args: string[]][]}
 */
const SUITES = [
  ['unit and GPU tests', '--exclude', 'tests/e2e/**'],
  // A browser is not always on time: a test that needed a second try passes, and is named in the summary.
  ['end-to-end tests', 'tests/e2e/', '--maxWorkers', '1', '--retry', '1'],
];

const counts = { passed: 0, failed: 0, skipped: 0 };
/** @type {string[]} */
const failures = [];
/** @type {string[]} */
const secondTries = [];
/** @type {string[]} */
const summary = [];

/** @param {string} name @param {() => Promise<boolean>} work */
async function step(name, work) {
  const start = performance.now();
  const passed = await work();
  summary.push(
    `${passed ? 'passed' : 'FAILED'}  ${((performance.now() - start) / 1000).toFixed(1).padStart(6)} s  ${name}`,
  );
}

/** @param {string} name @param {string[]} command */
async function check(name, [program, ...args]) {
  await step(name, async () => {
    const status = await node(program, args, 'on failure');
    if (status === 0) counts.passed++;
    else fail(`${name}: see above`);
    return status === 0;
  });
}

/** @param {string} line */
function fail(line) {
  counts.failed++;
  failures.push(line);
}

/** @param {string} program @param {string[]} args @param {'stdout' | 'on failure'} output */
function node(program, args, output) {
  return execute(process.execPath, [join(root, 'node_modules', program), ...args], { cwd: root, output });
}

/** @param {string} name @param {string[]} args */
async function suite(name, args) {
  await step(name, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lapis-test-'));
    const report = join(folder, 'report.json');
    const before = counts.failed;
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const status = await node('vitest/vitest.mjs', ['run', ...reporters, ...args], 'stdout');
    try {
      count(JSON.parse(readFileSync(report, 'utf8')));
    } catch {
      fail(`${name}: ended without a report`);
    }
    rmSync(folder, { recursive: true });
    // An error outside any test, such as an unhandled rejection.
    if (status !== 0 && counts.failed === before) fail(`${name}: an error outside the tests, see above`);
    return counts.failed === before;
  });
}

/**
 * Adds what vitest's JSON reporter counted.
 * @param {{numPassedTests: number, numPendingTests: number, numTodoTests: number, testResults: {name: string, status: string,
 *   message: string, assertionResults: {status: string, fullName: string, failureMessages: string[]}[]}[]}} report
 */
function count(report) {
  counts.passed += report.numPassedTests;
  counts.skipped += report.numPendingTests + report.numTodoTests;
  for (const { name, status, message, assertionResults } of report.testResults) {
    const file = name.replace(root, '');
    const failed = assertionResults.filter((test) => test.status === 'failed');
    for (const test of failed) fail(`${file}: ${test.fullName}`);
    for (const { status, fullName, failureMessages } of assertionResults) {
      if (status === 'passed' && failureMessages.length > 0) {
        secondTries.push(`${file}: ${fullName}: ${failureMessages[0].split('\n', 1)[0]}`);
      }
    }
    // A file that could not be loaded, or a hook that threw, has no failed test of its own.
    if (status === 'failed' && failed.length === 0) fail(`${file}: ${message.split('\n', 1)[0]}`);
  }
}

async function main() {
  checkNode();
  const args = process.argv.slice(2);
  if (args.includes('--long')) process.env.LAPIS_LONG = '1';
  const filters = args.filter((arg) => arg !== '--long');
  await ensureDependencies(root);
  process.env.CHROME_PATH = await ensureBrowser({ chromiumOnly: true });
  await ensureBuilt(root);
  if (filters.length > 0) {
    await suite(`tests of ${filters.join(' ')}`, filters);
  } else {
    for (const [name, ...command] of CHECKS) await check(name, command);
    for (const [name, ...command] of SUITES) await suite(name, command);
  }
  const lines = [
    '',
    ...summary,
    ...secondTries.map((line) => `needed a second try: ${line}`),
    ...failures.map((line) => `failed: ${line}`),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
  process.exitCode = counts.failed > 0 ? 1 : 0;
}

try {
  await main();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
