import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createBodyDecoder } from '../../src/actors/ingest/body-decoder.ts';
import { GatheredReadings, MESSAGE_BYTES_MAX, PartitionKeys } from '../../src/actors/ingest/gathered-readings.ts';
import type { BodyFormat } from '../../src/actors/ingest/protocol.ts';
import { RequestTally } from '../../src/actors/ingest/request-tally.ts';
import { LogMessageDecoder } from '../../src/actors/kafka-log/message-decoding.ts';
import { partitionOf } from '../../src/model/ids.ts';
import { decode } from '../oracle/decoded-outcomes.ts';
import { MSGPACK_BODIES } from '../oracle/odd-msgpack.ts';
import { JSON_BODIES, NDJSON_BODIES, NOW_MS } from '../oracle/odd-readings.ts';
import { appended, batchIn, logMessage, readingsIn } from '../support/log-messages.ts';

const SEED = 20261126;

const BODY = fc.oneof(
  JSON_BODIES.map((body) => ({ format: 'json' as const, body })),
  NDJSON_BODIES.map((body) => ({ format: 'ndjson' as const, body })),
  MSGPACK_BODIES.map((body) => ({ format: 'msgpack' as const, body })),
);

/** Comparable whatever the order: partitions mix it up. */
function sorted(rows: readonly object[]): string[] {
  return rows.map((row) => JSON.stringify(row, (_key, value: unknown) => (typeof value === 'number' && (Object.is(value, -0) || !Number.isFinite(value)) ? `${value} ${Object.is(value, -0)}` : value))).sort();
}

describe('requests on their way through the log', () => {
  test('come out as they were judged when they were taken, each reading in its partition', () => {
    const decodeBody = createBodyDecoder();
    fc.assert(
      fc.property(fc.array(BODY, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 7 }), fc.integer({ min: -500_000, max: 500_000 }), (bodies, partitionCount, skewMs) => {
        const gathered = new GatheredReadings({ partitionCount, judgedAtMs: NOW_MS }, new PartitionKeys(partitionCount));
        const accepted: object[] = [];
        const rejected: object[] = [];
        for (const { format, body } of bodies) {
          const tally = new RequestTally(0, () => {});
          gathered.begin(tally, format);
          if (decodeBody(body, format, NOW_MS, gathered) !== null) {
            gathered.rollback();
            continue;
          }
          gathered.commit(body);
          const { sink } = decode(format, body, NOW_MS);
          for (const outcome of sink.outcomes) {
            const { kind, index: _index, ...rest } = outcome;
            if (kind === 'accept') accepted.push(rest);
          }
          sink.outcomes.filter(({ kind }) => kind === 'reject').forEach((outcome, i) => rejected.push({ code: (outcome as { code: string }).code, message: sink.messages[i] }));
          expect(tally.errors?.length ?? 0).toBe(sink.messages.length);
          expect(tally.partsPending).toBe(sink.outcomes.length > 0 ? 1 : 0);
        }
        const fold = new LogMessageDecoder({ partitionCount });
        const { messages, buffer } = gathered.messages();
        const batches = messages.map((message, offset) => ({ message, batch: batchIn(fold.decode(appended(message, { offset, timestampMs: NOW_MS + skewMs }))) }));
        expect(messages.reduce((sum, { value }) => sum + value.length, 0)).toBe(buffer.byteLength);
        expect(sorted(batches.flatMap(({ batch }) => readingsIn(batch)))).toEqual(sorted(accepted));
        expect(sorted(batches.flatMap(({ batch }) => batch.deadLetters().map(({ code, message }) => ({ code, message }))))).toEqual(sorted(rejected));
        for (const { message, batch } of batches) {
          for (const { meterId } of readingsIn(batch)) expect(partitionOf(meterId as string, partitionCount)).toBe(message.partition);
          if (message.key !== null) expect(partitionOf(Buffer.from(message.key).toString('latin1'), partitionCount)).toBe(message.partition);
        }
        expect(gathered.acceptedOf.reduce((a, b) => a + b, 0)).toBe(accepted.length);
      }),
      { numRuns: 1_500, seed: SEED },
    );
  });

  test('are split into messages that a topic takes, in order', () => {
    const partitionCount = 2;
    const readings = Array.from({ length: 20_000 }, (_, i) => ({ meterId: `m${i % 3}`, region: 'north', timestamp: NOW_MS - i, powerKw: 1, userId: 'x'.repeat(60), metadata: { text: 'y'.repeat(100) } }));
    const body = Buffer.from(JSON.stringify(readings));
    const gathered = new GatheredReadings({ partitionCount, judgedAtMs: NOW_MS }, new PartitionKeys(partitionCount));
    gathered.begin(new RequestTally(0, () => {}), 'json');
    createBodyDecoder()(body, 'json', NOW_MS, gathered);
    gathered.commit(body);
    const { messages } = gathered.messages();
    const sizes = messages.map(({ value }) => value.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MESSAGE_BYTES_MAX);
    expect(Math.max(...sizes)).toBeGreaterThan(MESSAGE_BYTES_MAX - 1_000);
    const fold = new LogMessageDecoder({ partitionCount });
    for (const meterId of ['m0', 'm1', 'm2']) {
      const times = messages.flatMap((message, offset) => readingsIn(batchIn(fold.decode(appended(message, { offset, timestampMs: NOW_MS }))))).filter((reading) => reading.meterId === meterId).map(({ timestamp }) => timestamp as number);
      expect(times).toEqual(readings.filter((reading) => reading.meterId === meterId).map(({ timestamp }) => timestamp));
    }
  });
});

test('the same message decodes to the same bytes, whatever was decoded before it', () => {
  const bytes = fc.oneof(BODY, fc.uint8Array({ maxLength: 60 }).map((body) => ({ format: 'json' as BodyFormat, body })));
  fc.assert(
    fc.property(fc.array(bytes, { minLength: 1, maxLength: 8 }), fc.integer({ min: 0, max: 2 }), (bodies, partition) => {
      const used = new LogMessageDecoder({ partitionCount: 3 });
      for (const { format, body } of bodies) {
        const message = logMessage(body, { contentType: format, partition, timestampMs: NOW_MS });
        const [once, again] = [used, new LogMessageDecoder({ partitionCount: 3 })].map((decoder) => batchIn(decoder.decode(message)).bytes);
        expect(Buffer.compare(once, again)).toBe(0);
      }
    }),
    { numRuns: 500, seed: SEED },
  );
});
