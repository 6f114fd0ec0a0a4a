import type { Anomaly } from '../model/anomaly.ts';
import type { DeadLetter, MeterState, MeterSummary, Page } from '../model/queries.ts';
import type { EngineStatus } from './engine-port.ts';

/** Answers as they go over the wire: inside the engine times are epoch milliseconds, outside ISO 8601 in UTC with milliseconds. */

export function isoTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

export function isoTimeOrNull(epochMs: number | null): string | null {
  return epochMs === null ? null : isoTime(epochMs);
}

export function windowShape<Window extends { windowStart: number; windowEnd: number }>(window: Window): object {
  return { ...window, windowStart: isoTime(window.windowStart), windowEnd: isoTime(window.windowEnd) };
}

export function meterSummaryShape(meter: MeterSummary): object {
  return { ...meter, newestTimestamp: isoTime(meter.newestTimestamp) };
}

export function meterShape(meter: MeterState): object {
  const { lastReading } = meter;
  return {
    ...meter,
    newestTimestamp: isoTime(meter.newestTimestamp),
    lastReading: { ...lastReading, timestamp: isoTime(lastReading.timestamp), receivedAt: isoTime(lastReading.receivedAt) },
  };
}

export function anomalyShape(anomaly: Anomaly): object {
  return { ...anomaly, startedAt: isoTime(anomaly.startedAt), endedAt: isoTimeOrNull(anomaly.endedAt) };
}

export function deadLetterShape({ firstId: _firstId, ...letter }: DeadLetter): object {
  return { ...letter, receivedAt: isoTime(letter.receivedAt) };
}

export function engineShape(status: EngineStatus): object {
  return { ...status, startedAt: isoTime(status.startedAt), now: isoTime(status.now) };
}

/** A page with its rows shaped one by one. */
export function pageShape<Row>(page: Page<Row>, shape: (row: Row) => object): object {
  return { data: page.data.map(shape), nextCursor: page.nextCursor };
}
