/** The one import of the polyfill: `browser.*` with promises on every Chromium, native where the browser has it. */
export { default as browser } from 'webextension-polyfill';
