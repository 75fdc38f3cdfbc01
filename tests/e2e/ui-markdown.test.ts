import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestPages } from '../../src/ui/testing/build-pages.ts';
import { buildTestPages } from '../../src/ui/testing/build-pages.ts';
import type { OpenPage } from '../../src/ui/testing/open-page.ts';
import { openTestPage } from '../../src/ui/testing/open-page.ts';
import { findChromium, launchForPages } from './harness.ts';

const executablePath = findChromium();

/** What the renderer makes of a text that comes in pieces of `step` characters. */
interface Rendered {
  html: string;
  text: string;
}

describe.skipIf(!executablePath)('markdown in an answer', () => {
  let browser: Browser;
  let pages: TestPages;
  let opened: OpenPage;

  beforeAll(async () => {
    pages = await buildTestPages();
    browser = await launchForPages();
    opened = await openTestPage(browser, pages, 'popup');
  });
  afterAll(async () => {
    await browser?.close();
    await pages?.remove();
  });

  const render = (source: string, step = source.length): Promise<Rendered> =>
    opened.page.evaluate(
      ([source, step]) => {
        const root = document.createElement('div');
        const { markdownWriter } = (globalThis as never as { page: typeof import('../../src/ui/markdown/renderer.ts') })
          .page;
        const writer = markdownWriter(root);
        // An engine never splits a character.
        const characters = [...source];
        for (let at = 0; at < characters.length; at += step) writer.write(characters.slice(at, at + step).join(''));
        writer.end();
        return { html: root.innerHTML, text: root.textContent ?? '' };
      },
      [source, Math.max(1, step)] as const,
    );

  test.each([
    ['**bold** and *soft* and `code`', '<p><strong>bold</strong> and <em>soft</em> and <code>code</code></p>'],
    ['# Title\n\n#### Deep\n\n## Part', '<h2>Title</h2><h3>Deep</h3><h3>Part</h3>'],
    ['- one\n- two', '<ul><li>one</li><li>two</li></ul>'],
    ['3. three\n4. four', '<ol start="3"><li>three</li><li>four</li></ol>'],
    ['- [x] done\n- [ ] open', '<ul><li><span>☑ </span> done</li><li><span>☐ </span> open</li></ul>'],
    [
      '[here](https://example.com/a)',
      '<p><a href="https://example.com/a" rel="noopener noreferrer" target="_blank">here</a></p>',
    ],
  ])('%j', async (source, html) => {
    expect((await render(source)).html).toBe(html);
  });

  test('a table and a block of code come whole', async () => {
    const table = await render('| a | b |\n|---|---|\n| 1 | 2 |\n\nafter');
    expect(table.html).toContain('<thead><tr><th> a </th><th> b </th></tr></thead><tbody><tr><td> 1 </td>');
    const code = await render('```js\nconst a = [1];\n\n<b>x</b>\n```\nafter');
    expect(code.html).toContain('<code>const a = [1];\n\n&lt;b&gt;x&lt;/b&gt;</code>');
    expect(code.html).toContain('<span>js</span>');
    expect(code.html).toContain('<p>after</p>');
  });

  test.each([
    ['snake_case_name and my_var'],
    ['call f(*args) with array[0] and [1]'],
    ['a * b and 2 ** 3'],
    ['it costs $5 or $6'],
    ['an open [bracket'],
    ['five < six > four & so on'],
    ['~~~ and ~/bin'],
    ['**open and __dunder and *star'],
    ['![open image and ![closed]'],
  ])('loses nothing of %j, which is no markup', async (source) => {
    expect((await render(source)).text).toBe(source);
  });

  const HOSTILE = [
    '<script>globalThis.hacked = 1</script>',
    '<img src=x onerror="globalThis.hacked=1">',
    '<svg onload=globalThis.hacked=1><a xlink:href="javascript:globalThis.hacked=1">x</a></svg>',
    '[a](javascript:globalThis.hacked=1)',
    '[a](  JaVaScRiPt:globalThis.hacked=1)',
    '[a](java\tscript:globalThis.hacked=1)',
    '[a](data:text/html,<script>globalThis.hacked=1</script>)',
    '[a](vbscript:x) [b](blob:https://x/y) [c](file:///etc/passwd) [d](chrome://settings) [e](//evil.example) [f](popup.html)',
    '[a](https://example.com" onclick="globalThis.hacked=1)',
    '![a](https://evil.example/pixel.png)',
    '![a](javascript:globalThis.hacked=1)',
    '![" onerror="globalThis.hacked=1](x)',
    '```"><img src=x onerror=globalThis.hacked=1>\ncode\n```',
    '```html\n</code></pre><script>globalThis.hacked=1</script>\n```',
    '| <img src=x onerror=globalThis.hacked=1> |\n|---|\n| <iframe src="javascript:globalThis.hacked=1"> |',
    '<a href="javascript:globalThis.hacked=1">x</a> <style>*{display:none}</style> <form action=//evil.example>',
    'https://evil.example/"onmouseover="globalThis.hacked=1',
    '<base href="https://evil.example/"><meta http-equiv=refresh content="0;url=https://evil.example">',
    '$$\n<script>globalThis.hacked=1</script>\n$$',
    `${'> '.repeat(200)}deep`,
    `${'*_'.repeat(200)}deep`,
    `${'[![~~**_'.repeat(60)}deep`,
    `${'- '.repeat(100)}deep`,
    Array.from({ length: 60 }, (_, depth) => `${'  '.repeat(depth)}- level ${depth}`).join('\n'),
    '\u0000\u202Ereversed\uFEFF<script>\u2028',
  ];

  test('hostile markdown makes no element, address or handler that could act', async () => {
    for (const source of HOSTILE) {
      for (const step of [1, 7, source.length]) {
        const report = await opened.page.evaluate(
          ([source, step]) => {
            const root = document.createElement('div');
            document.body.append(root);
            const { markdownWriter } = (
              globalThis as never as { page: typeof import('../../src/ui/markdown/renderer.ts') }
            ).page;
            const writer = markdownWriter(root);
            for (let at = 0; at < source.length; at += step) writer.write(source.slice(at, at + step));
            writer.end();
            const elements = [...root.querySelectorAll('*')];
            const names = [...new Set(elements.map(({ localName }) => localName))];
            const attributes = elements.flatMap((element) => [...element.attributes].map(({ name }) => name));
            const links = [...root.querySelectorAll('a[href]')].map(
              (a) => new URL((a as HTMLAnchorElement).href).protocol,
            );
            for (const element of elements) {
              if (element instanceof HTMLElement && element.localName !== 'a') element.click();
              element.dispatchEvent(new Event('mouseover'));
            }
            root.remove();
            return { names, attributes: [...new Set(attributes)], links };
          },
          [source, step] as const,
        );
        const allowed =
          /^(a|blockquote|br|button|code|div|em|h[2-6]|hr|li|ol|p|pre|s|span|strong|table|tbody|td|th|thead|tr|ul)$/;
        expect(
          report.names.filter((name) => !allowed.test(name)),
          source,
        ).toEqual([]);
        const attributes = /^(href|rel|target|class|start|tabindex|type|data-literal|data-blocked)$/;
        expect(
          report.attributes.filter((name) => !attributes.test(name)),
          source,
        ).toEqual([]);
        expect(
          report.links.filter((protocol) => !/^(https?|mailto):$/.test(protocol)),
          source,
        ).toEqual([]);
      }
    }
    expect(await opened.page.evaluate(() => 'hacked' in globalThis)).toBe(false);
    expect(opened.wrong).toEqual([]);
  });

  test('an image is a link to it, and nothing is fetched', async () => {
    const { html } = await render('![a cat](https://example.com/cat.png)');
    expect(html).toContain('<a href="https://example.com/cat.png"');
    expect(html).toContain('>a cat</a>');
    expect(html).not.toContain('<img');
  });

  test('the pieces in which a text comes change nothing, and random markup always ends', async () => {
    // A small generator with a fixed seed: mulberry32.
    let state = 20_240_601;
    const random = () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
    const parts =
      '* ** _ __ ~~ ` ``` [ ]( ) ![ # ## > - 1. | |-|-| $ $$ \\ \\( < <br> http:// https://a.b word Ä 🙂 ( 12'.split(
        ' ',
      );
    parts.push('\n', '\n\n', ' ', '    ', '\t');
    for (let round = 0; round < 300; round += 1) {
      const source = Array.from({ length: 40 }, () => parts[Math.floor(random() * parts.length)]).join('');
      const whole = await render(source);
      expect((await render(source, 1 + Math.floor(random() * 9))).html, JSON.stringify(source)).toBe(whole.html);
    }
    expect(opened.wrong.filter((line) => !line.startsWith('Assertion failed'))).toEqual([]);
  });
});
