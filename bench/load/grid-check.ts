import type { EnginePorts } from './engine-process.ts';
import { MetricsPage } from './metrics-page.ts';

/** Holds what an engine says it counted against what a load's sender counted: a benchmark that lies is worthless. */

/** Readings that a sender counted for a meter. */
export interface MeterCount {
  meterId: string;
  readings: number;
}

const HOST = '127.0.0.1';
const WINDOWS_PER_PAGE = 10_000;

/** /metrics as of now. */
export async function metricsOf(ports: EnginePorts): Promise<MetricsPage> {
  return new MetricsPage(await textOf(ports.ops, '/metrics'));
}

/** Accepted readings since the engine started, from /metrics. */
export async function acceptedByEngine(ports: EnginePorts): Promise<number> {
  const accepted = (await metricsOf(ports)).sum('seg_readings_total', { outcome: 'accepted' });
  if (Number.isNaN(accepted)) throw new Error('/metrics has no seg_readings_total{outcome="accepted"}');
  return accepted;
}

/** Readings in a meter's windows from `fromMs` on, by granularity. */
async function readingsInWindows(ports: EnginePorts, meterId: string, granularity: '1m' | '15m', fromMs: number): Promise<number> {
  const to = Date.now() + 3_600_000;
  let readings = 0;
  let cursor: string | null = null;
  do {
    const next: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const page = JSON.parse(await textOf(ports.http, `/api/v1/meters/${meterId}/aggregates?granularity=${granularity}&from=${fromMs}&to=${to}&limit=${WINDOWS_PER_PAGE}${next}`)) as {
      data: { count: number }[];
      nextCursor: string | null;
    };
    for (const { count } of page.data) readings += count;
    cursor = page.nextCursor;
  } while (cursor !== null);
  return readings;
}

/** In words, where a meter's 1m or 15m windows hold other than its sender's readings. */
export async function windowDifferences(ports: EnginePorts, fromMs: number, sample: Iterable<MeterCount>): Promise<string[]> {
  const differences: string[] = [];
  for (const { meterId, readings } of sample) {
    for (const granularity of ['1m', '15m'] as const) {
      const inWindows = await readingsInWindows(ports, meterId, granularity, fromMs);
      if (inWindows !== readings) differences.push(`${meterId} has ${inWindows} readings in its ${granularity} windows, its sender counted ${readings}`);
    }
  }
  return differences;
}

/**
 * Throws an error that says what differs: the count of all accepted readings, and, for the sample, the readings in 1m and in 15m windows. `slack`:
 * requests whose sender left before the answer, whose readings the engine may have counted.
 */
export async function checkCounts(ports: EnginePorts, fromMs: number, accepted: number, sample: readonly MeterCount[], slack = 0): Promise<string> {
  const counted = await acceptedByEngine(ports);
  if (counted < accepted || counted > accepted + slack) throw new Error(`the engine counted ${counted} readings, its senders ${accepted}`);
  const differences = await windowDifferences(ports, fromMs, sample);
  if (differences.length > 0) throw new Error(`${differences.length} of ${2 * sample.length} counts differ: ${differences.slice(0, DIFFERENCES_SHOWN_MAX).join('; ')}`);
  return `${accepted} readings, windows of ${sample.length} meters`;
}

/** When many meters differ, they differ alike. */
export const DIFFERENCES_SHOWN_MAX = 3;

async function textOf(port: number, path: string): Promise<string> {
  const response = await fetch(`http://${HOST}:${port}${path}`);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`GET ${path} answered ${response.status}: ${text}`);
  return text;
}
