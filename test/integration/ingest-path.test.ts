import { MessageChannel } from 'node:worker_threads';
import { gzipSync } from 'node:zlib';
import { Packr } from 'msgpackr';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { IngestActor, INGEST_DEFAULTS } from '../../src/actors/ingest/actor.ts';
import { createBodyDecoder } from '../../src/actors/ingest/body-decoder.ts';
import type { IngestSummary } from '../../src/actors/ingest/protocol.ts';
import type { AppendReply, AppendRequest } from '../../src/actors/shard/protocol.ts';
import { INGEST_LIMITS_DEFAULT, startIngestServer } from '../../src/http/ingest-server.ts';
import type { IngestServer } from '../../src/http/ingest-server.ts';
import { openReadingBatch } from '../../src/model/reading-batch.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { Requester, Responder } from '../../src/runtime/request-channel.ts';
import { portTransport } from '../../src/runtime/transport.ts';
import { PARTITIONS } from '../fixtures/ingest/fake-shard.ts';

/** Server, decoders and actor as they are, over a real port to a shard that accepts whatever comes. */

const SHARDS = 2;
interface Stored {
  meterId: string;
  powerKw: number;
  timestamp: number;
}
const stored: Stored[] = [];
const deadLetters: { code: string; raw: string }[] = [];
const faults: unknown[] = [];
const requesters: Requester<AppendRequest, AppendReply>[] = [];
let server: IngestServer;
let actor: IngestActor;

function acceptAll({ buffer, bytes }: AppendRequest): AppendReply {
  const batch = openReadingBatch(buffer, 0, bytes);
  for (let i = 0; i < batch.count; i++) {
    const start = batch.heapStart + batch.idStart[i];
    const meterId = Buffer.from(batch.bytes.subarray(start, start + batch.idLength[i])).toString('latin1');
    stored.push({ meterId, powerKw: batch.powerKw[i], timestamp: batch.timestamp[i] });
  }
  deadLetters.push(...batch.deadLetters().map(({ code, raw }) => ({ code, raw })));
  return { accepted: batch.count, duplicates: 0, outcomes: null, buffer };
}

beforeAll(async () => {
  actor = new IngestActor(
    { ...INGEST_DEFAULTS, partitionCount: PARTITIONS, shardCount: SHARDS },
    { clock: systemClock, decode: createBodyDecoder(), atTurnEnd: (fn) => setImmediate(fn) },
  );
  for (let i = 0; i < SHARDS; i++) {
    const { port1, port2 } = new MessageChannel();
    new Responder<AppendRequest, AppendReply>(
      portTransport(port2),
      (request, reply) => reply.ok(acceptAll(request), [request.buffer]),
      { name: `shard ${i}`, mailboxMax: 4, epoch: 1, onFailure: (error) => faults.push(error) },
      { clock: systemClock },
    );
    const requester = new Requester<AppendRequest, AppendReply>(
      portTransport(port1),
      { name: `shard ${i}`, creditsMax: 4, bytesInFlightMax: 32 * 1024 * 1024, epoch: 1 },
      { clock: systemClock, timers: systemTimers },
    );
    requesters.push(requester);
    actor.shardUp(i, requester);
  }
  server = await startIngestServer(
    { host: '127.0.0.1', port: 0, exclusivePort: true, limits: INGEST_LIMITS_DEFAULT, requestIdPrefix: 'test' },
    { ingest: actor, clock: systemClock, timers: systemTimers, onFault: (error) => faults.push(error) },
  );
});

afterAll(async () => {
  await server.close(1_000);
  for (const requester of requesters) requester.close();
  expect(faults).toEqual([]);
});

beforeEach(() => {
  stored.length = 0;
  deadLetters.length = 0;
});

const NOW = new Date().toISOString();
const good = (over: object = {}) => ({ meterId: 'meter-1', region: 'north', timestamp: NOW, powerKw: 1.5, ...over });

function post(body: string | Uint8Array, contentType = 'application/json', headers: Record<string, string> = {}) {
  return fetch(`http://127.0.0.1:${server.port}/ingest`, { method: 'POST', body, headers: { 'content-type': contentType, ...headers } } as RequestInit);
}

async function accept(body: string | Uint8Array, contentType?: string, headers?: Record<string, string>): Promise<IngestSummary> {
  const response = await post(body, contentType, headers);
  expect(response.status).toBe(202);
  return (await response.json()) as IngestSummary;
}

describe('good bodies', () => {
  it('takes one object, an array, NDJSON, MessagePack and gzip of them', async () => {
    const two = [good(), good({ meterId: 'meter-2' })];
    const packr = new Packr({ useRecords: false });
    expect(await accept(JSON.stringify(good()))).toMatchObject({ accepted: 1 });
    expect(await accept(JSON.stringify(two))).toMatchObject({ accepted: 2 });
    expect(await accept(two.map((r) => JSON.stringify(r)).join('\n'), 'application/x-ndjson')).toMatchObject({ accepted: 2 });
    expect(await accept(packr.pack(two), 'application/msgpack')).toMatchObject({ accepted: 2 });
    expect(await accept(gzipSync(JSON.stringify(two)), 'application/json', { 'content-encoding': 'gzip' })).toMatchObject({ accepted: 2 });
    expect(stored).toHaveLength(9);
    expect(new Set(stored.map((r) => r.powerKw))).toEqual(new Set([1.5]));
  });

  it('takes an empty array, zero power and minus zero', async () => {
    expect(await accept('[]')).toEqual({ accepted: 0, duplicates: 0, rejected: 0, errors: [] });
    expect(await accept(`[${JSON.stringify(good({ powerKw: 0 }))},{"meterId":"m","region":"r","timestamp":"${NOW}","powerKw":-0}]`)).toMatchObject({ accepted: 2 });
    expect(stored.map((r) => Object.is(r.powerKw, 0))).toEqual([true, true]);
  });

  it('takes 50,000 readings spread over shards', async () => {
    const readings = Array.from({ length: 50_000 }, (_, i) => good({ meterId: `m${i}` }));
    expect(await accept(JSON.stringify(readings))).toMatchObject({ accepted: 50_000, rejected: 0 });
    expect(stored).toHaveLength(50_000);
  });

  it('answers many single readings at once, each for itself', async () => {
    const answers = await Promise.all(Array.from({ length: 300 }, (_, i) => accept(JSON.stringify(good({ meterId: `m${i}` })))));
    expect(answers.every((answer) => answer.accepted === 1)).toBe(true);
    expect(new Set(stored.map((r) => r.meterId)).size).toBe(300);
  });
});

describe('bodies that cannot be read', () => {
  it.each([
    ['not JSON', 'hello'],
    ['cut off', JSON.stringify([good(), good()]).slice(0, -20)],
    ['empty', ''],
    ['a bare number', '17'],
    ['NaN', `[${JSON.stringify(good())},{"powerKw":NaN}]`],
    ['Infinity', '{"powerKw":Infinity}'],
    ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['trailing garbage', `${JSON.stringify(good())}x`],
  ])('answers 400 for %s and keeps nothing of it', async (_what, body) => {
    const response = await post(body);
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    await actor.whenIdle();
    expect([stored, deadLetters]).toEqual([[], []]);
  });

  it('answers 413 for 50,001 readings and keeps nothing of them', async () => {
    const response = await post(JSON.stringify(Array.from({ length: 50_001 }, () => good())));
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ code: 'too_many_readings' });
    expect([stored, deadLetters]).toEqual([[], []]);
  });

  it('answers 400 for MessagePack that is cut off', async () => {
    const packed = new Packr({ useRecords: false }).pack([good()]);
    const response = await post(packed.subarray(0, -3), 'application/msgpack');
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'invalid_msgpack' });
  });
});

describe('readings that are refused, beside one that is not', () => {
  it.each<[string, string, string]>([
    ['a meterId of 65 characters', JSON.stringify(good({ meterId: 'x'.repeat(65) })), 'invalid_meter_id'],
    ['a meterId with a NUL', JSON.stringify(good({ meterId: 'a\0b' })), 'invalid_meter_id'],
    ['a meterId with a quote', JSON.stringify(good({ meterId: 'a"b' })), 'invalid_meter_id'],
    ['no powerKw', JSON.stringify(good({ powerKw: undefined })), 'missing_field'],
    ['powerKw as text', JSON.stringify(good({ powerKw: '1.5' })), 'invalid_type'],
    ['powerKw 1e999', `{"meterId":"m","region":"r","timestamp":"${NOW}","powerKw":1e999}`, 'not_finite'],
    ['powerKw out of range', JSON.stringify(good({ powerKw: 1e7 })), 'out_of_range'],
    ['a timestamp from 1969', JSON.stringify(good({ timestamp: '1969-12-31T23:59:59Z' })), 'timestamp_too_old'],
    ['a timestamp from 2099', JSON.stringify(good({ timestamp: '2099-01-01T00:00:00Z' })), 'timestamp_in_future'],
    ['a timestamp without an offset', JSON.stringify(good({ timestamp: '2026-01-01T00:00:00' })), 'invalid_timestamp'],
    ['a timestamp of 30 February', JSON.stringify(good({ timestamp: '2026-02-30T00:00:00Z' })), 'invalid_timestamp'],
    ['a status that is none', JSON.stringify(good({ status: 'FINE' })), 'invalid_status'],
    ['a number', '17', 'not_an_object'],
    ['null', 'null', 'not_an_object'],
  ])('rejects %s by its index, as %s', async (_what, element, code) => {
    const summary = await accept(`[${JSON.stringify(good())},${element},${JSON.stringify(good({ meterId: 'meter-2' }))}]`);
    expect(summary).toMatchObject({ accepted: 2, rejected: 1, errors: [{ index: 1, code }] });
    expect(stored.map((r) => r.meterId).sort()).toEqual(['meter-1', 'meter-2']);
    expect(deadLetters).toEqual([{ code, raw: element.slice(0, 512) }]);
  });

  it('answers 202 when all are rejected', async () => {
    expect(await accept('[1,2]')).toMatchObject({ accepted: 0, rejected: 2 });
    expect(deadLetters).toHaveLength(2);
  });

  it('takes fifty thousand refused readings in one request', async () => {
    const summary = await accept(`[${Array.from({ length: 50_000 }, () => '{"meterId":"x"}').join(',')}]`);
    expect(summary.rejected).toBe(50_000);
    expect(summary.errors.every((error, i) => error.index === i)).toBe(true);
    expect(deadLetters).toHaveLength(50_000);
  });
});
