/** A size for a person: decimal units, three significant digits, as shops and disks count. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let value = Math.max(0, bytes);
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** A short time such as that to the first token: `0.42 s`. */
export function formatMilliseconds(ms: number): string {
  return ms < 995 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 9_950 ? 1 : 0)} s`;
}

/** How long something will take yet: `8 s`, `3 min`, `1 h 20 min`. */
export function formatRemaining(seconds: number): string {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Tokens a second: one decimal below 100. */
export function formatRate(perSecond: number): string {
  return perSecond < 99.95 ? perSecond.toFixed(1) : Math.round(perSecond).toString();
}

/** How many parameters a model has: `270 M`, `1.0 B`, `27 B`. */
export function formatParameters(count: number): string {
  const [value, unit] = count >= 999.5e6 ? [count / 1e9, 'B'] : [count / 1e6, 'M'];
  return `${value.toFixed(value < 9.95 ? 1 : 0)} ${unit}`;
}

/** A part of a whole in percent, rounded down: `100 %` only when it is whole. */
export function formatShare(done: number, total: number): string {
  return `${total > 0 ? Math.floor(Math.min(1, done / total) * 100) : 0} %`;
}

const DAY_MS = 86_400_000;

/** A day in the past, as one would say it: `today`, `3 days ago`, and the date after two weeks. Both in milliseconds since 1970. */
export function formatDay(then: number, now: number): string {
  const midnight = (time: number) => new Date(time).setHours(0, 0, 0, 0);
  // A day of 23 or 25 hours is a day.
  const days = Math.round((midnight(now) - midnight(then)) / DAY_MS);
  if (days > 14) return new Date(then).toLocaleDateString(undefined, { dateStyle: 'medium' });
  return new Intl.RelativeTimeFormat('en', { numeric: 'auto' }).format(Math.min(0, -days), 'day');
}
