import type { EnginePorts } from './engine-process.ts';

/** Holds what an engine says it counted against what a load's sender counted: a benchmark that lies is worthless. */

const HOST = '127.0.0.1';
const ACCEPTED_LINE = /^seg_readings_total\{([^}]*)\} (\S+)$/gm;
const WINDOWS_PER_PAGE = 10_000;

/** Accepted readings since the engine started, from /metrics. */
export async function acceptedByEngine(ports: EnginePorts): Promise<number> {
  const text = await textOf(ports.ops, '/metrics');
  let accepted = 0;
  let found = false;
  for (const [, labels, value] of text.matchAll(ACCEPTED_LINE)) {
    if (!labels.includes('outcome="accepted"')) continue;
    accepted += Number(value);
    found = true;
  }
  if (!found) throw new Error('/metrics has no seg_readings_total{outcome="accepted"}');
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

/**
 * Throws an error that says what differs: the count of all accepted readings, and, for the sample, the readings in 1m and in 15m windows. `slack`:
 * requests whose sender left before the answer, whose readings the engine may have counted.
 */
export async function checkCounts(ports: EnginePorts, fromMs: number, accepted: number, sample: Iterable<{ meterId: string; readings: number }>, slack = 0): Promise<string> {
  const counted = await acceptedByEngine(ports);
  if (counted < accepted || counted > accepted + slack) throw new Error(`the engine counted ${counted} readings, its senders ${accepted}`);
  let meters = 0;
  for (const { meterId, readings } of sample) {
    meters++;
    for (const granularity of ['1m', '15m'] as const) {
      const inWindows = await readingsInWindows(ports, meterId, granularity, fromMs);
      if (inWindows !== readings) throw new Error(`${meterId} has ${inWindows} readings in its ${granularity} windows, its sender counted ${readings}`);
    }
  }
  return `${accepted} readings, windows of ${meters} meters`;
}

async function textOf(port: number, path: string): Promise<string> {
  const response = await fetch(`http://${HOST}:${port}${path}`);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`GET ${path} answered ${response.status}: ${text}`);
  return text;
}
