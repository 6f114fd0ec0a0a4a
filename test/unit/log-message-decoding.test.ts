import { describe, expect, it } from 'vitest';
import { Packr } from 'msgpackr';
import { LogMessageDecoder } from '../../src/actors/kafka-log/message-decoding.ts';
import { controlRecord } from '../../src/actors/shard/log-record.ts';
import { partitionOf } from '../../src/model/ids.ts';
import { BODY_BYTES_MAX } from '../../src/model/reading.ts';
import { sealReadingBatch } from '../../src/model/reading-batch.ts';
import { batchIn, deadLettersIn, LOG_MS, logMessage, readingsIn } from '../support/log-messages.ts';
import { packReadings } from '../support/packed-readings.ts';

const PARTITIONS = 4;
const decoder = new LogMessageDecoder({ partitionCount: PARTITIONS });
const HOME = partitionOf('m1', PARTITIONS);
const AWAY = (HOME + 1) % PARTITIONS;
const READING = { meterId: 'm1', region: 'north', timestamp: LOG_MS - 1_000, powerKw: 1.5 };
const json = (value: unknown): string => JSON.stringify(value);

describe('a message of readings', () => {
  it('holds one reading, or an array of them', () => {
    for (const value of [READING, [READING]]) {
      const decoded = decoder.decode(logMessage(json(value), { partition: HOME }));
      expect(decoded).toMatchObject({ kind: 'batch', nowMs: LOG_MS });
      expect(readingsIn(batchIn(decoded))).toMatchObject([READING]);
    }
  });

  it('is MessagePack or NDJSON where its content type says so', () => {
    const packed = new Packr({ useRecords: false }).pack([READING, READING]);
    expect(batchIn(decoder.decode(logMessage(packed, { partition: HOME, contentType: 'msgpack' }))).count).toBe(2);
    expect(batchIn(decoder.decode(logMessage(`${json(READING)}\n${json(READING)}\n`, { partition: HOME, contentType: 'ndjson' }))).count).toBe(2);
  });

  it('that lies in the partition of others becomes a dead letter which says where it belongs, and the rest counts', () => {
    const other = { ...READING, meterId: ['a', 'b', 'c', 'd', 'e', 'f', 'g'].find((id) => partitionOf(id, PARTITIONS) === AWAY)! };
    const decoded = decoder.decode(logMessage(json([READING, other]), { partition: AWAY }));
    expect(readingsIn(batchIn(decoded))).toMatchObject([other]);
    expect(deadLettersIn(decoded)).toMatchObject([{ code: 'wrong_partition', index: 0, raw: json(READING) }]);
    expect(deadLettersIn(decoded)[0].message).toContain(`partition ${HOME}, not ${AWAY}`);
  });

  it('keeps what is rejected as dead letters, with the reason the ingest port gives', () => {
    const decoded = decoder.decode(logMessage(json([{ ...READING, powerKw: undefined }, 5, READING]), { partition: HOME }));
    expect(batchIn(decoded).count).toBe(1);
    expect(deadLettersIn(decoded).map(({ code, index }) => [code, index])).toEqual([
      ['missing_field', 0],
      ['not_an_object', 1],
    ]);
  });

  it.each([
    ['no value', null, 'json', 'invalid_message'],
    ['nothing in it', '', 'json', 'invalid_message'],
    ['half an array', `[${json(READING)}`, 'json', 'invalid_json'],
    ['a number', '17', 'json', 'invalid_message'],
    ['broken MessagePack', new Uint8Array([0xdd, 0xff]), 'msgpack', 'invalid_message'],
    ['bytes that are no UTF-8', Buffer.concat([Buffer.from('{"a":"'), new Uint8Array([0xff]), Buffer.from('"}')]), 'json', 'invalid_message'],
    ['more bytes than a request may have', new Uint8Array(BODY_BYTES_MAX + 1), 'json', 'invalid_message'],
  ] as const)('with %s is one dead letter as a whole', (_what, value, contentType, code) => {
    const decoded = decoder.decode(logMessage(value as string | Uint8Array | null, { partition: HOME, contentType }));
    expect(batchIn(decoded).count).toBe(0);
    expect(deadLettersIn(decoded).map((letter) => letter.code)).toEqual([code]);
    expect(deadLettersIn(decoded)[0].raw.length).toBeLessThanOrEqual(512);
    // Nothing of it is left for the next.
    expect(batchIn(decoder.decode(logMessage(json(READING), { partition: HOME }))).deadLetterCount).toBe(0);
  });

  it('is judged by the clock of the gateway that took it, unless that is far from the broker\'s', () => {
    const ahead = { ...READING, timestamp: LOG_MS + 6 * 60_000 };
    const codes = (judgedAtMs: number | null): string[] => deadLettersIn(decoder.decode(logMessage(json(ahead), { partition: HOME, judgedAtMs }))).map(({ code }) => code);
    expect(codes(null)).toEqual(['timestamp_in_future']);
    expect(codes(LOG_MS + 2 * 60_000)).toEqual([]);
    expect(codes(LOG_MS + 60 * 60_000)).toEqual(['timestamp_in_future']);
  });
});

describe('a control message', () => {
  const control = (value: Uint8Array | null) => decoder.decode(logMessage(value, { partition: HOME, kind: 'control' }));

  it('is the record with the time of the message', () => {
    expect(control(controlRecord({ kind: 'tick', nowMs: 5, slices: [{ partition: HOME, fromPage: 0, toPage: 4 }] }))).toEqual({ kind: 'control', nowMs: LOG_MS, record: { kind: 'tick', nowMs: LOG_MS, slices: [{ partition: HOME, fromPage: 0, toPage: 4 }] } });
    const regions = [{ region: 'north', poweredShare: 0.5, reporting: 3 }];
    expect(control(controlRecord({ kind: 'picture', nowMs: 5, regions }))).toEqual({ kind: 'control', nowMs: LOG_MS, record: { kind: 'picture', nowMs: LOG_MS, regions } });
  });

  it.each([
    ['nothing', null],
    ['words', Buffer.from('tick')],
    ['a damaged record', controlRecord({ kind: 'tick', nowMs: 5, slices: [{ partition: HOME, fromPage: 0, toPage: 4 }] }).map((byte, i) => (i === 12 ? byte ^ 1 : byte))],
    ['the clock of another partition', controlRecord({ kind: 'tick', nowMs: 5, slices: [{ partition: AWAY, fromPage: 0, toPage: 4 }] })],
    ['a picture of what is no region', controlRecord({ kind: 'picture', nowMs: 5, regions: [{ region: 'a b', poweredShare: 1, reporting: 1 }] })],
    ['a picture that is none', controlRecord({ kind: 'picture', nowMs: 5, regions: null as unknown as [] })],
    ['readingIds, which begin logs of another kind', controlRecord({ kind: 'rememberedIds', nowMs: 5, words: new Uint8Array(4) })],
    ['readingIds as older engines wrote them', controlRecord({ kind: 'readingIds', nowMs: 5, words: new Uint8Array(4) })],
    ['a batch', sealed()],
  ])('of %s is a dead letter', (_what, value) => {
    expect(deadLettersIn(control(value)).map(({ code }) => code)).toEqual(['invalid_message']);
  });

  it('of a newer engine cannot be left out', () => {
    expect(() => control(controlRecord({ kind: 'eclipse', nowMs: 5 } as never))).toThrow(/use the engine that wrote it/);
  });
});

function sealed(): Uint8Array {
  const bytes = new Uint8Array(packReadings([{ meterId: 'm1', region: 'north', timestamp: LOG_MS, powerKw: 1 }]));
  sealReadingBatch(bytes, LOG_MS);
  return bytes;
}
