/*
 * Renders the logo to the PNG icons that the manifest names: npx tsx tools/render-icons.ts [CHROMIUM]
 * The results are committed, so that a build needs no browser.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const SIZES = [16, 32, 48, 128];
/** Chrome's store wants a 128-pixel icon to leave some room around its shape. */
const MARGIN: Record<number, number> = { 128: 8 };

async function render(executablePath: string): Promise<void> {
  const svg = await readFile(new URL('../src/ui/logo/lapis.svg', import.meta.url), 'utf8');
  const source = `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}`;
  const folder = new URL('../extension/icons/', import.meta.url);
  await mkdir(folder, { recursive: true });
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage();
    for (const size of SIZES) {
      const inner = size - 2 * (MARGIN[size] ?? 0);
      await page.setViewportSize({ width: size, height: size });
      await page.setContent(
        `<body style="margin:0;display:grid;place-items:center;height:${size}px"><img width="${inner}" src="${source}"></body>`,
      );
      const png = await page.screenshot({ omitBackground: true });
      const file = new URL(`lapis-${size}.png`, folder);
      await writeFile(file, png);
      process.stderr.write(`${fileURLToPath(file)}: ${png.length} bytes\n`);
    }
  } finally {
    await browser.close();
  }
}

await render(process.argv[2] ?? '/usr/bin/chromium');
