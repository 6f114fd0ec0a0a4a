import type { z } from 'zod';
import type { Anomaly } from '../model/anomaly.ts';
import type { DeadLetter, MeterState, MeterSummary, Page } from '../model/queries.ts';
import type { EngineStatus, OperationsStatus } from './engine-port.ts';
import type { anomalySchema, deadLetterSchema, engineSchema, meterSchema, meterSummarySchema, operationsSchema } from './wire-schemas.ts';

/** Answers as they go over the wire: inside the engine times are epoch milliseconds, outside ISO 8601 in UTC with milliseconds. */

export function isoTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

export function isoTimeOrNull(epochMs: number | null): string | null {
  return epochMs === null ? null : isoTime(epochMs);
}

export function windowShape<Window extends { windowStart: number; windowEnd: number }>(window: Window): Omit<Window, 'windowStart' | 'windowEnd'> & { windowStart: string; windowEnd: string } {
  return { ...window, windowStart: isoTime(window.windowStart), windowEnd: isoTime(window.windowEnd) };
}

export function meterSummaryShape(meter: MeterSummary): z.output<typeof meterSummarySchema> {
  return { ...meter, newestTimestamp: isoTime(meter.newestTimestamp) };
}

/** `readings` null: not told. */
export function meterShape(meter: Omit<MeterState, 'readings'> & { readings: number | null }): z.output<typeof meterSchema> {
  const { lastReading } = meter;
  return {
    ...meter,
    newestTimestamp: isoTime(meter.newestTimestamp),
    lastReading: { ...lastReading, timestamp: isoTime(lastReading.timestamp), receivedAt: isoTime(lastReading.receivedAt) },
  };
}

export function anomalyShape(anomaly: Anomaly): z.output<typeof anomalySchema> {
  return { ...anomaly, startedAt: isoTime(anomaly.startedAt), endedAt: isoTimeOrNull(anomaly.endedAt) };
}

export function deadLetterShape({ firstId: _firstId, ...letter }: DeadLetter): z.output<typeof deadLetterSchema> {
  return { ...letter, receivedAt: isoTime(letter.receivedAt) };
}

export function engineShape(status: EngineStatus): z.output<typeof engineSchema> {
  return { ...status, startedAt: isoTime(status.startedAt), now: isoTime(status.now) };
}

export function operationsShape(status: OperationsStatus): z.output<typeof operationsSchema> {
  const { startedAt, now } = status;
  return { ...status, startedAt: isoTime(startedAt), now: isoTime(now), uptimeSeconds: Math.max(0, Math.floor((now - startedAt) / 1_000)) };
}

/** A page with its rows shaped one by one. */
export function pageShape<Row, Shown>(page: Page<Row>, shape: (row: Row) => Shown): { data: Shown[]; nextCursor: string | null } {
  return { data: page.data.map(shape), nextCursor: page.nextCursor };
}
