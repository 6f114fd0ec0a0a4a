import { setTimeout as sleep } from 'node:timers/promises';
import { OperationalError } from '../../runtime/errors.ts';
import { ApiClient } from '../api-client.ts';
import { Findings, type ProofOracle, type WindowRow } from './oracle.ts';

const MINUTE_MS = 60_000;
/** After now, for windows of clocks that were moved. */
const AHEAD_MS = 2 * 60 * MINUTE_MS;
const ROWS_PER_PAGE = '10000';
/** A reading that may or may not count may still be on its way; windows with such readings are looked at again. */
const UNCERTAIN_LOOKS_MAX = 4;
const UNCERTAIN_PAUSE_MS = 500;

/** Holds the windows of these meters, each from its minute on, against the oracle, as the API shows them. */
export async function checkWindows(oracle: ProofOracle, meters: ReadonlyMap<number, number>, apiUrl: string): Promise<Findings> {
  const findings = new Findings();
  const client = new ApiClient(apiUrl);
  try {
    for (const [meter, fromMinute] of meters) findings.add(await checkMeter(oracle, client, meter, fromMinute));
  } finally {
    client.close();
  }
  return findings;
}

async function checkMeter(oracle: ProofOracle, client: ApiClient, meter: number, fromMinute: number): Promise<Findings> {
  for (let look = 1; ; look++) {
    const meterId = oracle.readings.meterId(meter);
    const findings = oracle.check(meter, fromMinute, await windowsOf(client, meterId, '1m', fromMinute), await windowsOf(client, meterId, '15m', fromMinute));
    if (findings.isClean || look === UNCERTAIN_LOOKS_MAX || !oracle.isUncertain(meter, fromMinute)) return findings;
    await sleep(UNCERTAIN_PAUSE_MS);
  }
}

async function windowsOf(client: ApiClient, meterId: string, granularity: '1m' | '15m', fromMinute: number): Promise<WindowRow[]> {
  const rows: WindowRow[] = [];
  const query = { granularity, from: String(fromMinute * MINUTE_MS), to: String(Date.now() + AHEAD_MS), limit: ROWS_PER_PAGE };
  try {
    for await (const { data } of client.pages(`/api/v1/meters/${meterId}/aggregates`, query)) rows.push(...(data as unknown as WindowRow[]));
  } catch (error) {
    // A meter whose readings were all given up may be unknown.
    if (!(error instanceof OperationalError) || error.code !== 'not_found') throw error;
  }
  return rows;
}
