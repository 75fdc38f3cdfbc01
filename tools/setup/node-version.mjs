// @ts-check
import { SetupError } from './say.mjs';

const NEEDED = [20, 19];

/** Throws unless this Node is new enough: Vite and the tests need 20.19. */
export function checkNode(version = process.versions.node) {
  const [major, minor] = version.split('.').map(Number);
  if (major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])) return;
  throw new SetupError(`Lapis needs Node ${NEEDED.join('.')} or newer; this is ${version}.`);
}
