/**
 * Windows by DESIGN.md's words, computed the slow and obvious way with exact integers. Shares no code with the engine.
 *
 * Every measurement is taken as its shortest decimal text, in billionths of its unit (BigInt). Means and estimates are exact fractions that are rounded once, half up,
 * to 1e-9; an engine that rounds a mean before it multiplies may differ from an estimate by 1e-9.
 */

export interface OracleReading {
  meterId: string;
  region: string;
  /** Epoch ms. */
  timestamp: number;
  powerKw: number;
  energyKwh?: number;
  voltage?: number;
  status?: 'OK' | 'ERROR';
}

export interface OracleWindow {
  meterId: string;
  region: string;
  granularity: '1m' | '15m';
  windowStart: number;
  windowEnd: number;
  avgPowerKw: number;
  minPowerKw: number;
  maxPowerKw: number;
  energyKwhSum: number;
  energySource: 'measured' | 'estimated';
  voltageAvg: number | null;
  voltageMin: number | null;
  voltageMax: number | null;
  count: number;
}

const LENGTH_MS = { '1m': 60_000, '15m': 900_000 } as const;

/** Windows of any readings in any order, sorted by meter and start. A repeated (meterId, timestamp) counts once: the first. ERROR readings do not count. */
export function windowsOf(readings: Iterable<OracleReading>, granularity: '1m' | '15m'): OracleWindow[] {
  const groups = new Map<string, Map<number, OracleReading[]>>();
  const seen = new Map<string, Set<number>>();
  for (const reading of readings) {
    const stamps = seen.get(reading.meterId) ?? new Set<number>();
    seen.set(reading.meterId, stamps);
    if (stamps.has(reading.timestamp)) continue;
    stamps.add(reading.timestamp);
    if (reading.status === 'ERROR') continue;
    const start = reading.timestamp - (((reading.timestamp % LENGTH_MS[granularity]) + LENGTH_MS[granularity]) % LENGTH_MS[granularity]);
    const ofMeter = groups.get(reading.meterId) ?? new Map<number, OracleReading[]>();
    groups.set(reading.meterId, ofMeter);
    const ofWindow = ofMeter.get(start) ?? [];
    ofMeter.set(start, ofWindow);
    ofWindow.push(reading);
  }
  const windows: OracleWindow[] = [];
  for (const meterId of [...groups.keys()].sort()) {
    const ofMeter = groups.get(meterId)!;
    for (const start of [...ofMeter.keys()].sort((a, b) => a - b)) windows.push(windowOf(ofMeter.get(start)!, start, granularity));
  }
  return windows;
}

function windowOf(readings: OracleReading[], windowStart: number, granularity: '1m' | '15m'): OracleWindow {
  const newest = readings.reduce((a, b) => (b.timestamp > a.timestamp ? b : a));
  const powers = readings.map((reading) => billionths(reading.powerKw));
  const energies = readings.filter((reading) => reading.energyKwh !== undefined).map((reading) => billionths(reading.energyKwh!));
  const voltages = readings.filter((reading) => reading.voltage !== undefined).map((reading) => billionths(reading.voltage!));
  const count = BigInt(readings.length);
  // mean kW × hours = sum / count × length / 3,600,000 ms
  const estimate = roundedQuotient(sum(powers) * BigInt(LENGTH_MS[granularity]), count * 3_600_000n);
  return {
    meterId: newest.meterId,
    region: newest.region,
    granularity,
    windowStart,
    windowEnd: windowStart + LENGTH_MS[granularity],
    avgPowerKw: decimal(roundedQuotient(sum(powers), count)),
    minPowerKw: decimal(powers.reduce((a, b) => (b < a ? b : a))),
    maxPowerKw: decimal(powers.reduce((a, b) => (b > a ? b : a))),
    energyKwhSum: decimal(energies.length > 0 ? sum(energies) : estimate),
    energySource: energies.length > 0 ? 'measured' : 'estimated',
    voltageAvg: voltages.length === 0 ? null : decimal(roundedQuotient(sum(voltages), BigInt(voltages.length))),
    voltageMin: voltages.length === 0 ? null : decimal(voltages.reduce((a, b) => (b < a ? b : a))),
    voltageMax: voltages.length === 0 ? null : decimal(voltages.reduce((a, b) => (b > a ? b : a))),
    count: readings.length,
  };
}

/** The shortest decimal text of the number, in billionths, half up. */
export function billionths(value: number): bigint {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value));
  if (match === null) throw new Error(`${value} is not a finite number`);
  const fraction = match[3] ?? '';
  const exponent = Number(match[4] ?? 0) - fraction.length + 9;
  const digits = BigInt(match[1] + match[2] + fraction);
  return exponent >= 0 ? digits * 10n ** BigInt(exponent) : roundedQuotient(digits, 10n ** BigInt(-exponent));
}

/** floor(a / b + 1/2) for b > 0. */
function roundedQuotient(a: bigint, b: bigint): bigint {
  const doubled = 2n * a + b;
  const quotient = doubled / (2n * b);
  return doubled < 0n && doubled % (2n * b) !== 0n ? quotient - 1n : quotient;
}

/** Billionths as the double nearest to their decimal text. */
function decimal(units: bigint): number {
  const negative = units < 0n;
  const digits = (negative ? -units : units).toString().padStart(10, '0');
  return Number(`${negative ? '-' : ''}${digits.slice(0, -9)}.${digits.slice(-9)}`) + 0;
}

function sum(values: bigint[]): bigint {
  return values.reduce((a, b) => a + b, 0n);
}

