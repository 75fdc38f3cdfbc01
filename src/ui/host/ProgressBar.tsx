import { formatBytes } from '../format.ts';
import { strings } from '../strings.ts';

interface ProgressBarProps {
  /** What goes on, for who cannot see the bar. */
  label: string;
  /** In bytes, or as `valueText` has it; a total of 0 is one that nobody knows yet. */
  done: number;
  total: number;
  valueText?: (done: number, total: number) => string;
  /** Nothing moves until something changes. */
  still?: boolean;
}

/** How far something is. */
export function ProgressBar({ label, done, total, valueText = ofBytes, still = false }: ProgressBarProps) {
  const known = total > 0;
  const share = known ? Math.min(1, done / total) : 0;
  return (
    <div
      class={['progress', !known && !still && 'unknown', still && 'still'].filter(Boolean).join(' ')}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={known ? Math.floor(share * 100) : undefined}
      aria-valuetext={known ? valueText(done, total) : undefined}
    >
      <div style={known || still ? { width: `${share * 100}%` } : undefined} />
    </div>
  );
}

function ofBytes(done: number, total: number): string {
  return strings.status.of(formatBytes(done), formatBytes(total));
}
