import type { Curves } from './measure-curves.ts';

interface Series {
  points: [x: number, y: number][];
  /** A dashed line without points. */
  bound?: boolean;
}

interface Panel {
  title: string;
  /** Of the values on y. */
  unit: string;
  xLabel: string;
  series: Series[];
}

const PANEL = { width: 300, height: 250, left: 46, right: 20, top: 56, bottom: 46 };

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #4c556b }
  .title { font-weight: 600; font-size: 13px; fill: #171c29 }
  .grid { stroke: #dde3ee }
  .line { stroke: #2449a8; stroke-width: 2; fill: none }
  .dot { fill: #2449a8 }
  .bound { stroke: #b98210; stroke-width: 1.5; stroke-dasharray: 4 3; fill: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #a9b1c6 } .title { fill: #e6e9f2 } .grid { stroke: #2a3040 }
    .line { stroke: #8fb0ff } .dot { fill: #8fb0ff } .bound { stroke: #f2c14e }
  }`;

/** The three curves as an SVG, on linear axes from 0: a cost that grows with length is a straight line. */
export function drawCurves({ date, adapter, model, floorGBps, decode, prefill, memory }: Curves): string {
  const panels: Panel[] = [
    {
      title: 'Time of a decoded token',
      unit: 'ms',
      xLabel: 'tokens of context',
      series: [
        { points: decode.map(({ tokens, floorMs }) => [tokens, floorMs]), bound: true },
        { points: decode.map(({ tokens, ms }) => [tokens, ms]) },
      ],
    },
    {
      title: 'Time of a prefill',
      unit: 's',
      xLabel: 'tokens of prompt',
      series: [{ points: prefill.map(({ tokens, ms }) => [tokens, ms / 1000]) }],
    },
    {
      title: 'GPU memory',
      unit: 'GB',
      xLabel: 'tokens of context, one sequence',
      series: [{ points: memory.map(({ tokens, bytes }) => [tokens, bytes / 1e9]) }],
    },
  ];
  const name = escaped(adapter.description || adapter.architecture || adapter.vendor);
  const [width, height] = [PANEL.width * panels.length, PANEL.height + 44];
  const captions = [
    `${escaped(model)} on ${name}, ${date}.`,
    `Dashed: weights and cache at this GPU’s streaming read, ${floorGBps.toFixed(0)} GB/s.`,
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Cost against length">
<style>${STYLE}
</style>
${panels.map((panel, index) => `<g transform="translate(${index * PANEL.width} 0)">\n${drawPanel(panel)}\n</g>`).join('\n')}
${captions.map((text, line) => `<text x="${PANEL.left}" y="${height - 28 + 18 * line}">${text}</text>`).join('\n')}
</svg>
`;
}

function drawPanel({ title, unit, xLabel, series }: Panel): string {
  const { width, height, left, right, top, bottom } = PANEL;
  const all = series.flatMap(({ points }) => points);
  const xStep = tickStep(Math.max(...all.map(([x]) => x)), 4, 1024);
  const yStep = tickStep(Math.max(...all.map(([, y]) => y)), 5, 10);
  const end = (step: number, axis: 0 | 1) => step * Math.ceil(Math.max(...all.map((point) => point[axis])) / step);
  const [xEnd, yEnd] = [end(xStep, 0), end(yStep, 1)];
  const x = (value: number) => round(left + (value / xEnd) * (width - left - right));
  const y = (value: number) => round(height - bottom - (value / yEnd) * (height - top - bottom));
  const parts = [`<text class="title" x="${left}" y="24">${title}</text>`, `<text x="${left}" y="42">${unit}</text>`];
  for (const value of ticks(yStep, yEnd)) {
    parts.push(`<line class="grid" x1="${left}" x2="${width - right}" y1="${y(value)}" y2="${y(value)}"/>`);
    parts.push(`<text text-anchor="end" x="${left - 6}" y="${y(value) + 4}">${Number(value.toPrecision(3))}</text>`);
  }
  for (const value of ticks(xStep, xEnd)) {
    const label = value >= 1024 ? `${Number((value / 1024).toPrecision(3))}k` : String(value);
    parts.push(`<text text-anchor="middle" x="${x(value)}" y="${height - bottom + 18}">${label}</text>`);
  }
  parts.push(
    `<text text-anchor="middle" x="${(left + width - right) / 2}" y="${height - bottom + 36}">${xLabel}</text>`,
  );
  for (const { points, bound } of series) {
    const path = points.map((point) => `${x(point[0])},${y(point[1])}`).join(' ');
    parts.push(`<polyline class="${bound ? 'bound' : 'line'}" points="${path}"/>`);
    if (bound) continue;
    for (const point of points) parts.push(`<circle class="dot" cx="${x(point[0])}" cy="${y(point[1])}" r="3"/>`);
    const [lastX, lastY] = points[points.length - 1];
    parts.push(
      `<text text-anchor="end" x="${x(lastX)}" y="${y(lastY) - 8}">${Number(lastY.toPrecision(3))} ${unit}</text>`,
    );
  }
  return parts.join('\n');
}

/** A round step that gives at most `count` of them up to `most`: 1, 2 or 5 times a power of 10, or a power of 2 for lengths. */
function tickStep(most: number, count: number, base: 10 | 1024): number {
  const least = most / count;
  if (base === 1024) return 2 ** Math.ceil(Math.log2(least));
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= least * (1 - 1e-9)) ?? 10);
}

function ticks(step: number, end: number): number[] {
  return Array.from({ length: Math.round(end / step) + 1 }, (_, i) => i * step);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
}
