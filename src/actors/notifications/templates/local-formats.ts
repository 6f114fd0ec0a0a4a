import type { Alert } from '../../../model/alert.ts';

/** Times, numbers and units the way one person writes them. */

/** Locale and zone of one who wrote something that this machine does not know: a message goes out all the same, and names the zone. */
const FALLBACK = { locale: 'en', zone: 'UTC' } as const;

/** Formats kept: making one takes a millisecond, and there are far fewer pairs of locale and zone than people. */
const FORMATS_MAX = 200;
const known = new Map<string, LocalFormats>();

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Steps of power, largest first: what is not below it is written in it. */
const POWER_UNITS = [
  { kw: 1e6, unit: 'GW' },
  { kw: 1e3, unit: 'MW' },
  { kw: 1, unit: 'kW' },
] as const;

export type FigureUnit = NonNullable<Alert['unit']>;

/** Of a contact. */
export function localFormats({ locale, zone }: { locale: string; zone: string }): LocalFormats {
  const key = `${locale}\n${zone}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  if (known.size >= FORMATS_MAX) known.clear();
  const formats = new LocalFormats(isKnown(() => Intl.getCanonicalLocales(locale)) ? locale : FALLBACK.locale, isKnown(() => new Intl.DateTimeFormat('en', { timeZone: zone })) ? zone : FALLBACK.zone);
  known.set(key, formats);
  return formats;
}

function isKnown(make: () => unknown): boolean {
  try {
    make();
    return true;
  } catch {
    return false;
  }
}

export class LocalFormats {
  readonly locale: string;
  readonly zone: string;
  private readonly clock: Intl.DateTimeFormat;
  private readonly clockInZone: Intl.DateTimeFormat;
  private readonly full: Intl.DateTimeFormat;
  private readonly day: Intl.DateTimeFormat;
  private readonly offset: Intl.DateTimeFormat;
  private readonly plain: Intl.NumberFormat;
  private readonly threeDigits: Intl.NumberFormat;

  constructor(locale: string, zone: string) {
    this.locale = locale;
    this.zone = zone;
    // `08:32`, but `8:32 AM`.
    const isHalfDay = new Intl.DateTimeFormat(locale, { hour: 'numeric' }).resolvedOptions().hour12;
    const clock = { hour: isHalfDay ? 'numeric' : '2-digit', minute: '2-digit', timeZone: zone } as const;
    this.clock = new Intl.DateTimeFormat(locale, clock);
    this.clockInZone = new Intl.DateTimeFormat(locale, { ...clock, timeZoneName: 'short' });
    this.full = new Intl.DateTimeFormat(locale, { ...clock, weekday: 'short', day: 'numeric', month: 'short', year: 'numeric', timeZoneName: 'short' });
    this.day = new Intl.DateTimeFormat('en', { year: 'numeric', month: 'numeric', day: 'numeric', timeZone: zone });
    this.offset = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' });
    this.plain = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
    this.threeDigits = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
  }

  /** `14:32`, for where the zone stands beside it. */
  time(at: number): string {
    return this.clock.format(at);
  }

  /** `14:32 CET`; with its date when it is not of the same local day as `nowMs`. */
  moment(at: number, nowMs: number): string {
    return this.day.format(at) === this.day.format(nowMs) ? this.clockInZone.format(at) : this.full.format(at);
  }

  /** `Fri, 27 Nov 2026, 14:32 CET`. */
  dateTime(at: number): string {
    return this.full.format(at);
  }

  /** `Europe/Berlin, UTC+01:00`, as it is at that time. */
  zoneAt(at: number): string {
    const offset = this.offset.formatToParts(at).find(({ type }) => type === 'timeZoneName')?.value ?? 'GMT';
    return `${this.zone}, ${offset === 'GMT' ? 'UTC+00:00' : offset.replace('GMT', 'UTC')}`;
  }

  /** The two largest units, `2 hr, 14 min`; below a second `0 sec`. */
  duration(ms: number): string {
    const parts: [number, string][] = [
      [Math.floor(ms / DAY_MS), 'day'],
      [Math.floor((ms % DAY_MS) / HOUR_MS), 'hour'],
      [Math.floor((ms % HOUR_MS) / MINUTE_MS), 'minute'],
      [Math.floor((ms % MINUTE_MS) / SECOND_MS), 'second'],
    ];
    const first = parts.findIndex(([count]) => count > 0);
    if (first === -1) return this.counted(0, 'second');
    return parts
      .slice(first, first + 2)
      .filter(([count]) => count > 0)
      .map(([count, unit]) => this.counted(count, unit))
      .join(' ');
  }

  /** `4,012`. */
  count(value: number): string {
    return this.plain.format(value);
  }

  /** `3.94 MW`, `231.4 V`, `94 %`; of meters the number alone. */
  figure(value: number, unit: FigureUnit): string {
    if (unit === 'meters') return this.count(value);
    if (unit === '%') return new Intl.NumberFormat(this.locale, { style: 'percent', maximumFractionDigits: 1 }).format(value / 100);
    if (unit === 'V') return `${this.plain.format(value)}\u00a0V`;
    const step = POWER_UNITS.find(({ kw }) => Math.abs(value) >= kw) ?? { kw: 1e-3, unit: 'W' };
    return value === 0 ? `${this.plain.format(0)}\u00a0kW` : `${this.threeDigits.format(value / step.kw)}\u00a0${step.unit}`;
  }

  private counted(count: number, unit: string): string {
    return new Intl.NumberFormat(this.locale, { style: 'unit', unit, unitDisplay: 'short' }).format(count);
  }
}
