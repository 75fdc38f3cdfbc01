import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What the pretended browser does with an extension, or how it ends before it could. */
export interface FakeBehaviour {
  /** Answers `Extensions.loadUnpacked` with this error. */
  refuses?: string;
  /** The extension's service worker, once the browser has it. */
  worker?: string;
  /** Writes this on stderr and ends at once. */
  dies?: string;
}

/**
 * Writes a program into `folder` that is a browser as far as `launchBrowser` sees one: it speaks the DevTools protocol on its pipe.
 * It notes the methods that it was asked for, and its switches, in `asked.json` beside itself when it is closed.
 */
export async function installFakeBrowser(folder: string, behaviour: FakeBehaviour): Promise<string> {
  const program = join(folder, 'fake-browser.cjs');
  const text = `#!${process.execPath}
const { createReadStream, writeFileSync, writeSync } = require('node:fs');
const behaviour = ${JSON.stringify(behaviour)};
if (behaviour.dies) {
  process.stderr.write(behaviour.dies + '\\n');
  process.exit(1);
}
const asked = [];
const answers = {
  'Extensions.loadUnpacked': () => (behaviour.refuses ? { error: { message: behaviour.refuses } } : { result: {} }),
  'Target.getTargets': () => ({
    result: { targetInfos: behaviour.worker ? [{ targetId: '1', type: 'service_worker', url: behaviour.worker }] : [] },
  }),
};
let text = '';
createReadStream('', { fd: 3, encoding: 'utf8' }).on('data', (data) => {
  const messages = (text + data).split('\\0');
  text = messages.pop();
  for (const { id, method } of messages.map((message) => JSON.parse(message))) {
    asked.push(method);
    writeSync(4, JSON.stringify({ id, ...(answers[method]?.() ?? { result: {} }) }) + '\\0');
    if (method !== 'Browser.close') continue;
    writeFileSync(__dirname + '/asked.json', JSON.stringify({ asked, switches: process.argv.slice(2) }));
    process.exit(0);
  }
});
`;
  await writeFile(program, text, { mode: 0o755 });
  return program;
}
