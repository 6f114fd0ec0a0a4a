import { describe, expect, it } from 'vitest';
import { IngestActor, INGEST_DEFAULTS } from '../../src/actors/ingest/actor.ts';
import type { IngestOptions } from '../../src/actors/ingest/actor.ts';
import { BATCH_BYTES_MAX, BATCH_READINGS_FULL, BATCH_READINGS_MAX } from '../../src/actors/ingest/batch-queue.ts';
import type { IngestRefusal, IngestSummary } from '../../src/actors/ingest/protocol.ts';
import { ReadingScope } from '../../src/actors/ingest/reading-scope.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { meters, regions } from '../support/accounts-world.ts';
import { decodeWords, FakeShard, PARTITIONS, shardOfMeter, wordsBody } from '../fixtures/ingest/fake-shard.ts';

type Result = IngestSummary | IngestRefusal;

function setUp(shardCount = 1, options: Partial<IngestOptions> = {}, up = true) {
  const time = new VirtualTime(1_700_000_000_000);
  const turnEnds: (() => void)[] = [];
  const actor = new IngestActor(
    { ...INGEST_DEFAULTS, partitionCount: PARTITIONS, shardCount, ...options },
    { clock: time, decode: decodeWords, atTurnEnd: (fn) => turnEnds.push(fn) },
  );
  const shards = Array.from({ length: shardCount }, () => new FakeShard());
  if (up) shards.forEach((shard, i) => actor.shardUp(i, shard));
  const sendWithin = (scope: ReadingScope | null, words: string[]): Result[] => {
    const results: Result[] = [];
    actor.ingest(wordsBody(words), 'json', (result) => results.push(result), null, scope);
    return results;
  };
  const send = (...words: string[]): Result[] => sendWithin(null, words);
  const endTurn = () => turnEnds.splice(0).forEach((fn) => fn());
  return { actor, shards, send, sendWithin, endTurn, time };
}

/** A meter of shard `shard` whose name starts with `prefix`. */
function meterOf(shard: number, shardCount: number, prefix = 'm'): string {
  for (let i = 0; ; i++) if (shardOfMeter(`${prefix}${i}`, shardCount) === shard) return `${prefix}${i}`;
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
const summary = (accepted: number, duplicates = 0) => ({ accepted, duplicates, rejected: 0, errors: [] });

describe('a key that may not send everything', () => {
  it('has the readings outside rejected by index, and they are no dead letters', async () => {
    const { actor, shards, sendWithin, endTurn } = setUp();
    const results = sendWithin(new ReadingScope({ meters: meters('m1', 'm3') }), ['m1', 'm2', 'm3', 'm22']);
    endTurn();
    expect(shards[0].received.map(({ meterIds, deadLetters }) => [meterIds, deadLetters])).toEqual([[['m1', 'm3'], []]]);
    shards[0].answerOldest();
    await settled();
    const outside = { code: 'out_of_scope', message: 'the device key may not send readings of this meter' };
    expect(results).toEqual([{ accepted: 2, duplicates: 0, rejected: 2, errors: [{ index: 1, ...outside }, { index: 3, ...outside }] }]);
    expect(actor.stats().rejects).toEqual({ out_of_scope: 2 });
  });

  it('is answered at once when nothing is left, and costs no shard anything', () => {
    const { actor, shards, sendWithin, endTurn } = setUp();
    const results = sendWithin(new ReadingScope({ regions: regions('elsewhere') }), ['m1', 'm2']);
    endTurn();
    expect(results).toMatchObject([{ accepted: 0, rejected: 2 }]);
    expect(shards[0].received).toEqual([]);
    expect(actor.stats()).toMatchObject({ requestsPending: 0, rejects: { out_of_scope: 2 } });
  });
});

describe('coalescing', () => {
  it('sends the requests of one turn as one batch and answers each from one reply', async () => {
    const { shards, send, endTurn } = setUp();
    const first = send('m1');
    const second = send('m2', 'm3');
    expect(shards[0].received).toEqual([]);
    endTurn();
    expect(shards[0].received.map((batch) => batch.meterIds)).toEqual([['m1', 'm2', 'm3']]);
    expect(first).toEqual([]);
    shards[0].answerOldest();
    await settled();
    expect(first).toEqual([summary(1)]);
    expect(second).toEqual([summary(2)]);
  });

  it('lets the batch grow while there are no credits and sends it when one comes back', async () => {
    const { shards, send, endTurn } = setUp();
    shards[0].creditsMax = 1;
    send('m1');
    endTurn();
    send('m2');
    endTurn();
    send('m3');
    endTurn();
    expect(shards[0].received).toHaveLength(1);
    shards[0].answerOldest();
    await settled();
    expect(shards[0].received.map((batch) => batch.meterIds)).toEqual([['m1'], ['m2', 'm3']]);
  });

  it('holds a packed batch when bytes in flight are used up and loses nothing of it', async () => {
    const { shards, send, endTurn } = setUp();
    shards[0].hasBytes = false;
    const results = send('m1');
    endTurn();
    const later = send('m2');
    endTurn();
    shards[0].hasBytes = true;
    shards[0].grantCredit();
    expect(shards[0].received.map((batch) => batch.meterIds)).toEqual([['m1']]);
    shards[0].answerOldest();
    await settled();
    expect(shards[0].received.map((batch) => batch.meterIds)).toEqual([['m1'], ['m2']]);
    shards[0].answerOldest();
    await settled();
    expect([results, later]).toEqual([[summary(1)], [summary(1)]]);
  });

  it('gathers while a batch is under way, and sends at once what is worth it', async () => {
    const { shards, send, endTurn } = setUp(1, { gatheredReadings: 3 });
    send('m1');
    endTurn();
    send('m2');
    endTurn();
    send('m3');
    endTurn();
    expect(shards[0].received.map((batch) => batch.meterIds)).toEqual([['m1']]);
    send('m4');
    endTurn();
    expect(shards[0].received.map((batch) => batch.meterIds)).toEqual([['m1'], ['m2', 'm3', 'm4']]);
    send('m5');
    endTurn();
    shards[0].answerOldest();
    await settled();
    expect(shards[0].received).toHaveLength(2);
    shards[0].answerOldest();
    await settled();
    expect(shards[0].received.map((batch) => batch.meterIds)).toEqual([['m1'], ['m2', 'm3', 'm4'], ['m5']]);
  });

  it('sends before the turn ends once there is enough for a batch', () => {
    const { shards, send } = setUp(1, { eagerReadings: 3 });
    send('m1', 'm2');
    expect(shards[0].received).toHaveLength(0);
    send('m3');
    expect(shards[0].received).toHaveLength(1);
  });

  it('keeps every batch under its limits of readings and bytes', async () => {
    const { shards, send, endTurn } = setUp(1, { eagerReadings: Infinity, queuedReadingsMax: 200_000 });
    for (let i = 0; i < 2; i++) send(...Array.from({ length: 50_000 }, (_, k) => `m${k}`));
    const longIds = Array.from({ length: 50_000 }, (_, k) => `m${k}`.padEnd(64, 'x'));
    for (let i = 0; i < 2; i++) send(...longIds);
    endTurn();
    for (let answered = 0; answered < shards[0].received.length; answered++) {
      shards[0].answerOldest();
      await settled();
    }
    const sizes = shards[0].received.map((batch) => batch.meterIds.length);
    expect(sizes.reduce((a, b) => a + b)).toBe(200_000);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(BATCH_READINGS_MAX);
    expect(Math.max(...shards[0].received.map((batch) => batch.bytes))).toBeLessThanOrEqual(BATCH_BYTES_MAX + 1_024);
  });

  it('begins a new batch for the next request once one is full, while none can be sent', async () => {
    const { shards, send, endTurn } = setUp(1, { eagerReadings: Infinity });
    for (let i = 0; i < 20; i++) send(...Array.from({ length: 600 }, (_, k) => `m${k}`));
    endTurn();
    for (let answered = 0; answered < shards[0].received.length; answered++) {
      shards[0].answerOldest();
      await settled();
    }
    expect(shards[0].received.map((batch) => batch.meterIds.length)).toEqual([4_200, 4_200, 3_600]);
    expect(BATCH_READINGS_FULL).toBe(4_000);
  });
});

describe('answers', () => {
  it('gives an empty request its answer at once', () => {
    const { send } = setUp();
    expect(send()).toEqual([summary(0)]);
  });

  it('maps outcomes of several shards back to the index in the request, in order', async () => {
    const { shards, send, endTurn } = setUp(2);
    const [a0, c0, d0] = ['m', 'c', 'd'].map((prefix) => meterOf(0, 2, prefix));
    const [a1, c1] = ['m', 'c'].map((prefix) => meterOf(1, 2, prefix));
    send(a0, a1);
    const results = send(a0, c1, '!bad', c0, a1, d0, c1);
    endTurn();
    shards[1].answerOldest();
    await settled();
    expect(results).toEqual([]);
    shards[0].answerOldest();
    await settled();
    expect(results).toHaveLength(1);
    const result = results[0] as IngestSummary;
    expect(result).toMatchObject({ accepted: 2, duplicates: 1, rejected: 4 });
    expect(result.errors.map((error) => [error.index, error.code])).toEqual([
      [1, 'conflict'],
      [2, 'missing_field'],
      [3, 'conflict'],
      [6, 'conflict'],
    ]);
  });

  it('maps outcomes to their index in requests of many readings', async () => {
    const { shards, send, endTurn } = setUp();
    send('m1', 'm2');
    const results = send(...Array.from({ length: 2_000 }, (_, i) => (i % 500 === 7 ? 'c1' : 'm3')));
    endTurn();
    shards[0].answerOldest();
    await settled();
    expect((results[0] as IngestSummary).errors.map((error) => error.index)).toEqual([7, 507, 1_007, 1_507]);
  });

  it('waits for the disk also when every reading was rejected, with the dead letters in the batch', async () => {
    const { shards, send, endTurn } = setUp();
    const results = send('!first', `!${'x'.repeat(600)}`);
    endTurn();
    expect(results).toEqual([]);
    const [batch] = shards[0].received;
    expect(batch.meterIds).toEqual([]);
    expect(batch.deadLetters.map(({ index, code, raw }) => [index, code, raw.length])).toEqual([
      [0, 'missing_field', 6],
      [1, 'missing_field', 512],
    ]);
    shards[0].answerOldest();
    await settled();
    expect(results).toMatchObject([{ accepted: 0, rejected: 2 }]);
  });

  it('gives an unreadable body 400 with its offset, one with too many readings 413, and leaves nothing of either', () => {
    const { shards, send, endTurn, actor } = setUp(2);
    expect(send('m1', 'm2', 'm3', '!bad', '?')).toMatchObject([{ status: 400, code: 'invalid_json', offset: 14 }]);
    expect(send('m1', 'm2', '#')).toMatchObject([{ status: 413, code: 'too_many_readings' }]);
    endTurn();
    expect(shards.flatMap((shard) => shard.received)).toEqual([]);
    const kept = send('m9');
    send('m8', '?');
    endTurn();
    expect(shards.flatMap((shard) => shard.received.flatMap((batch) => batch.meterIds))).toEqual(['m9']);
    expect(shards.flatMap((shard) => shard.received.flatMap((batch) => batch.deadLetters))).toEqual([]);
    expect(kept).toEqual([]);
    expect(actor.stats().rejects).toEqual({});
  });

  it('leaves nothing of a request whose decoder broke and throws the error on', () => {
    const { shards, send, endTurn } = setUp();
    expect(() => send('m1', '%')).toThrow('the decoder broke');
    send('m2');
    endTurn();
    expect(shards[0].received.map((batch) => batch.meterIds)).toEqual([['m2']]);
  });

  it('rolls back over the batches that a request opened', async () => {
    const { shards, send, endTurn } = setUp(1, { eagerReadings: BATCH_READINGS_MAX * 3 });
    const kept = send('m1', '!bad');
    const many = Array.from({ length: BATCH_READINGS_MAX + 10 }, (_, k) => `m${k}`);
    send(...many, '?');
    const after = send(...many);
    endTurn();
    shards[0].answerOldest();
    await settled();
    expect(shards[0].received.flatMap((batch) => batch.meterIds)).toEqual(['m1', ...many]);
    shards[0].answerOldest();
    await settled();
    expect(kept).toMatchObject([{ accepted: 1, rejected: 1 }]);
    expect(after).toEqual([summary(many.length)]);
  });
});

describe('overload', () => {
  it('refuses with 429 past queuedReadingsMax, whole requests only, and takes again when the queue has drained', async () => {
    const { shards, send, endTurn, actor } = setUp(1, { queuedReadingsMax: 3 });
    shards[0].creditsMax = 0;
    const taken = send('m1', 'm2');
    expect(send('m3', 'm4')).toMatchObject([{ status: 429, code: 'overloaded', retryAfterSeconds: 1 }]);
    expect(actor.stats().shards[0].queuedReadings).toBe(2);
    send('m5');
    expect(send('?')).toMatchObject([{ status: 429 }]);
    shards[0].creditsMax = 1;
    endTurn();
    expect(shards[0].received.map((batch) => batch.meterIds)).toEqual([['m1', 'm2', 'm5']]);
    shards[0].answerOldest();
    await settled();
    expect(taken).toEqual([summary(2)]);
    expect(send('m6')).toEqual([]);
  });

  it('refuses past queuedBytesMax and counts dead letters', () => {
    const { shards, send } = setUp(1, { queuedBytesMax: 2_000 });
    shards[0].creditsMax = 0;
    expect(send(...Array.from({ length: 6 }, () => `!${'x'.repeat(500)}`))).toMatchObject([{ status: 429 }]);
    expect(send('!short')).toEqual([]);
  });

  it('still takes requests for a shard that has room while another is full', () => {
    const { shards, send } = setUp(2, { queuedReadingsMax: 1 });
    shards[0].creditsMax = 0;
    send(meterOf(0, 2));
    expect(send(meterOf(0, 2))).toMatchObject([{ status: 429 }]);
    expect(send(meterOf(1, 2))).toEqual([]);
  });
});

describe('shards that are down', () => {
  it('refuses with 503 what needs a shard that is down and takes the rest', () => {
    const { actor, send, endTurn, shards } = setUp(2);
    actor.shardDown(0);
    expect(send(meterOf(1, 2), meterOf(0, 2))).toMatchObject([{ status: 503, code: 'unavailable', retryAfterSeconds: 1 }]);
    expect(send(meterOf(1, 2), '!bad')).toEqual([]);
    endTurn();
    expect(shards[1].received.map((batch) => [batch.meterIds.length, batch.deadLetters.length])).toEqual([[1, 1]]);
  });

  it('refuses everything with 503 before any shard is up', () => {
    const { send } = setUp(2, {}, false);
    expect(send('m1')).toMatchObject([{ status: 503 }]);
  });

  it('answers 503 to what waits for a shard that goes down, once, after its other parts are settled', async () => {
    const { actor, shards, send, endTurn } = setUp(2);
    shards[0].creditsMax = 0;
    const both = send(meterOf(0, 2), meterOf(1, 2));
    const other = send(meterOf(1, 2));
    endTurn();
    actor.shardDown(0);
    expect(both).toEqual([]);
    shards[1].answerOldest();
    await settled();
    expect(both).toMatchObject([{ status: 503 }]);
    expect(other).toEqual([summary(1)]);
  });

  it('answers 503 to a batch that was held back for want of bytes when its shard goes down', () => {
    const { actor, shards, send, endTurn } = setUp();
    shards[0].hasBytes = false;
    const results = send('m1');
    endTurn();
    actor.shardDown(0);
    expect(results).toMatchObject([{ status: 503 }]);
  });

  it('takes readings again after a restart and ignores credits of the incarnation before', async () => {
    const { actor, shards, send, endTurn } = setUp();
    const [old] = shards;
    const lost = send('m1');
    endTurn();
    actor.shardDown(0);
    old.failAll();
    await settled();
    expect(lost).toMatchObject([{ status: 503 }]);
    const fresh = new FakeShard();
    actor.shardUp(0, fresh);
    send('m2');
    old.grantCredit();
    expect(fresh.received).toEqual([]);
    endTurn();
    expect(fresh.received.map((batch) => batch.meterIds)).toEqual([['m2']]);
    expect(old.received).toHaveLength(1);
  });

  it.each([
    ['peer_gone', 'unavailable', 1],
    ['deadline', 'unavailable', 1],
    ['storage_full', 'storage_full', 10],
  ])('answers a batch that failed with %s with 503 %s', async (code, expected, retryAfterSeconds) => {
    const { shards, send, endTurn } = setUp();
    const results = send('m1');
    endTurn();
    shards[0].failOldest(code);
    await settled();
    expect(results).toMatchObject([{ status: 503, code: expected, retryAfterSeconds }]);
  });
});

describe('stats', () => {
  it('counts requests, readings, rejects, batches and the time to the ack', async () => {
    const { actor, shards, send, endTurn, time } = setUp();
    send('m1', 'd1', 'c1', '!bad');
    send('?');
    endTurn();
    expect(actor.stats()).toMatchObject({ requestsPending: 1, batches: { sent: 1, inFlight: 1, readings: 3, readingsMax: 3 } });
    time.advance(7);
    shards[0].answerOldest();
    await actor.whenIdle();
    const stats = actor.stats();
    expect(stats).toMatchObject({
      requests: { 202: 1, 400: 1 },
      requestsPending: 0,
      readingsAccepted: 1,
      readingsDuplicate: 1,
      rejects: { conflict: 1, missing_field: 1 },
      batches: { inFlight: 0, failed: 0 },
      ackLatency: { sumMs: 7, maxMs: 7 },
    });
    expect(stats.ackLatency.buckets.reduce((a, b) => a + b)).toBe(1);
  });
});
