import { ApiClient } from '../cli/api-client.ts';
import { IngestClient } from '../cli/ingest-client.ts';
import { netPowerKw } from '../cli/simulate/household-load.ts';
import type { WireReading } from '../cli/wire-reading.ts';
import { QUARTER_MS } from '../model/energy.ts';
import { OperationalError } from '../runtime/errors.ts';
import { BILLED_HOUSEHOLDS, type DemoHousehold } from './demo-households.ts';

/** The weeks before the demo's simulation, of those who are billed: a reading a quarter-hour, of the same households. */

/** A reading is of the last second of its quarter-hour, so that it lies in it. */
const READ_BEFORE_END_MS = 1_000;
/** Power is the mean of so many moments: kettles are on for minutes. */
const MOMENTS = 5;
/** Readings a request; the engine answers others meanwhile. */
const BATCH_SIZE = 2_000;
/** Volts lost per kW, as the simulation has them. */
const NOMINAL_VOLTS = 230;
const VOLTS_PER_KW = 0.6;

export interface HistoryOptions {
  /** Of the API, and of the ingest port. */
  apiUrl: string;
  ingestUrl: string;
  /** Of the households, as the simulation has it. */
  seed: number;
  /** The first moment, and the one with which the simulation begins; epoch ms. */
  fromMs: number;
  toMs: number;
}

/**
 * Sends what each meter lacks of the time, in order of time: a past that is longer ago than the correction horizon is taken as long as it is newer than all that its meter has sent. So it has to
 * come before the simulation, and one that was broken off goes on. Gives how many readings were sent. Throws OperationalError: those of ApiClient.document and IngestClient.post.
 */
export async function sendHistory({ apiUrl, ingestUrl, seed, fromMs, toMs }: HistoryOptions, signal: AbortSignal): Promise<number> {
  const client = new IngestClient({ url: ingestUrl, format: 'msgpack', signal });
  let underWay: Promise<unknown> = Promise.resolve();
  // The next readings are made while the engine takes these.
  const send = async (batch: readonly WireReading[]): Promise<void> => {
    await underWay;
    underWay = client.post(batch);
    // It is heard of with the next.
    underWay.catch(() => undefined);
  };
  try {
    const newestMs = await newestReadings(apiUrl, signal);
    let batch: WireReading[] = [];
    for (let endMs = (Math.floor(fromMs / QUARTER_MS) + 1) * QUARTER_MS; endMs <= toMs; endMs += QUARTER_MS) {
      for (const [i, household] of BILLED_HOUSEHOLDS.entries()) if (newestMs[i] < endMs - QUARTER_MS) batch.push(quarterReading(seed, household, endMs));
      if (batch.length < BATCH_SIZE) continue;
      await send(batch);
      batch = [];
    }
    if (batch.length > 0) await send(batch);
    await underWay;
    return client.totals.acknowledged;
  } finally {
    client.close();
  }
}

/** Of each household's meter, epoch ms; -Infinity where it has sent nothing. */
async function newestReadings(apiUrl: string, signal: AbortSignal): Promise<number[]> {
  const api = new ApiClient(apiUrl, signal);
  try {
    const newestMs: number[] = [];
    for (const { meterId } of BILLED_HOUSEHOLDS) {
      const meter = await api.document(`/api/v1/meters/${meterId}`).catch((error: unknown) => {
        if (error instanceof OperationalError && error.code === 'not_found') return null;
        throw error;
      });
      newestMs.push(meter === null ? -Infinity : Date.parse(String(meter.newestTimestamp)));
    }
    return newestMs;
  } finally {
    api.close();
  }
}

function quarterReading(seed: number, { meter, meterId, region }: DemoHousehold, endMs: number): WireReading {
  let sumKw = 0;
  for (let i = 0; i < MOMENTS; i++) sumKw += netPowerKw(seed, meter, endMs - QUARTER_MS + ((i + 0.5) * QUARTER_MS) / MOMENTS);
  const powerW = Math.round((sumKw / MOMENTS) * 1_000);
  const powerKw = powerW / 1_000;
  // A quarter of an hour of whole watts is whole milliwatt-hours.
  return { meterId, region, timestamp: endMs - READ_BEFORE_END_MS, powerKw, energyKwh: (powerW * 250) / 1e6, voltage: Math.round((NOMINAL_VOLTS - VOLTS_PER_KW * powerKw) * 10) / 10 };
}
