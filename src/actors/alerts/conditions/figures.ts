/** Figures in sentences that people read: no more digits than somebody acts on, thousands apart. Other languages are the templates' business. */

/** Slow to make, and slow beside String(): for what needs it. */
const GROUPED = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 });

/** One decimal at most from 1 on, three below. */
export function figure(value: number): string {
  const steps = Math.abs(value) >= 1 ? 10 : 1_000;
  const rounded = Math.round(Math.abs(value) * steps) / steps;
  const text = rounded < 1_000 ? String(rounded) : GROUPED.format(rounded);
  return value < 0 && rounded > 0 ? `−${text}` : text;
}

export function wholeFigure(value: number): string {
  return value < 1_000 ? String(value) : GROUPED.format(value);
}

/** `1 meter`, `4,000 meters`. */
export function counted(count: number, noun: string): string {
  return `${wholeFigure(count)} ${noun}${count === 1 ? '' : 's'}`;
}

const UNITS: readonly (readonly [unit: string, ms: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
  ['ms', 1],
];

/** In the two largest units that it has: `2 h 5 min`. */
export function durationText(ms: number): string {
  if (ms <= 0) return '0 s';
  const first = UNITS.findIndex(([, unitMs]) => ms >= unitMs);
  const parts: string[] = [];
  let rest = Math.round(ms);
  for (const [unit, unitMs] of UNITS.slice(first, Math.max(first, 0) + 2)) {
    const count = Math.floor(rest / unitMs);
    rest -= count * unitMs;
    if (count > 0 && !(unit === 'ms' && parts.length > 0)) parts.push(`${count} ${unit}`);
  }
  return parts.join(' ');
}

/** `2nd`, `11th`. */
export function ordinal(count: number): string {
  const teens = count % 100 >= 11 && count % 100 <= 13;
  return `${count}${teens ? 'th' : (['th', 'st', 'nd', 'rd'][count % 10] ?? 'th')}`;
}
