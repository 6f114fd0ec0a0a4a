import { expect } from 'vitest';
import { windowsOf, type OracleReading } from '../oracle/window-oracle.ts';
import { meterWindows, regionWindows, type EngineUrls, type WireWindow } from './engine-api.ts';
import { EngineProcess, eventually, type Settings } from './engine-process.ts';

/** Engines whose log is in Kafka, and what they have to show for the readings they were sent. */

export const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Settings of an engine of the group `name`, whose topics and group are its own. Windows close soon after their meter is silent. */
export function logSettings(brokers: string, name: string, more: Settings = {}): Settings {
  return { LOG: 'kafka', KAFKA_BROKERS: brokers, KAFKA_TOPIC_PREFIX: `${name}.`, KAFKA_GROUP: name, PARTITIONS: '6', SHARDS: '2', LATENESS: '1s', CHECKPOINT_INTERVAL: '5s', KAFKA_RESULTS: 'off', ...more };
}

/** Readings of some meters, two a minute. */
export class LogWorkload {
  readonly sent: OracleReading[] = [];
  readonly meters: readonly string[];
  private readonly baseMs: number;

  constructor(meters: number, name = 'meter') {
    this.meters = Array.from({ length: meters }, (_, i) => `${name}-${i + 1}`);
    this.baseMs = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 6 * HOUR_MS;
  }

  get range(): { from: number; to: number } {
    return { from: this.baseMs, to: this.baseMs + 6 * HOUR_MS };
  }

  /** Of every meter; counted as sent once the caller says so with `took`. */
  minutes(from: number, to: number): OracleReading[] {
    return this.meters.flatMap((meterId, meter) =>
      Array.from({ length: (to - from) * 2 }, (_, i) => ({
        meterId,
        region: `region-0${1 + (meter % 3)}`,
        timestamp: this.baseMs + from * MINUTE_MS + i * 30_000,
        powerKw: meter / 10 + ((from * 2 + i) % 7) / 4,
        voltage: 230 + (i % 3),
      })),
    );
  }

  took(readings: readonly OracleReading[]): void {
    this.sent.push(...readings);
  }

  /** What one or more engines show is what the oracle makes of all that was sent: every closed window of every meter, and the regions' sums. */
  async expectWindows(engines: readonly EngineUrls[], timeoutMs = 30_000): Promise<void> {
    for (const granularity of ['1m', '15m'] as const) {
      const expected = windowsOf(this.sent, granularity).map(wire);
      const shown = async () => (await Promise.all(this.meters.map((meterId) => this.windowsOf(engines, meterId, granularity)))).flat();
      const found = await eventually(shown, (windows) => windows.length >= expected.length && windows.every(({ final }) => final), timeoutMs);
      const order = (a: { meterId: string; windowStart: string }, b: { meterId: string; windowStart: string }) => (a.meterId + a.windowStart < b.meterId + b.windowStart ? -1 : 1);
      expect(found.map(({ revision: _revision, final: _final, ...window }) => window).sort(order)).toEqual(expected.sort(order));
    }
  }

  /** Of the engine that has the meter now: others refuse, or know no such meter. */
  private async windowsOf(engines: readonly EngineUrls[], meterId: string, granularity: '1m' | '15m'): Promise<WireWindow[]> {
    const answers = await Promise.all(engines.map((engine) => meterWindows(engine, meterId, granularity, this.range).catch(() => [])));
    return answers.find((windows) => windows.length > 0) ?? [];
  }

  async expectRegions(engine: EngineUrls): Promise<void> {
    const windows = windowsOf(this.sent, '1m');
    for (const region of [...new Set(windows.map((window) => window.region))]) {
      const sums = new Map<string, number>();
      for (const window of windows) if (window.region === region) sums.set(iso(window.windowStart), (sums.get(iso(window.windowStart)) ?? 0) + 1);
      const shown = await regionWindows(engine, region, '1m', this.range);
      expect(shown.map(({ windowStart, metersReporting }) => [windowStart, metersReporting])).toEqual([...sums].sort(([a], [b]) => (a < b ? -1 : 1)));
      const energy = windows.filter((window) => window.region === region).reduce((sum, window) => sum + window.energyKwhSum, 0);
      expect(shown.reduce((sum, window) => sum + window.energyKwhSum, 0)).toBeCloseTo(energy, 6);
    }
  }
}

function wire(window: ReturnType<typeof windowsOf>[number]) {
  return { ...window, windowStart: iso(window.windowStart), windowEnd: iso(window.windowEnd) };
}

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

export { EngineProcess };
