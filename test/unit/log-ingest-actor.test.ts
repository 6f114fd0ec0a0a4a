import { describe, expect, it } from 'vitest';
import { INGEST_DEFAULTS, type BodyDecoder } from '../../src/actors/ingest/actor.ts';
import { LogIngestActor, type LogIngestOptions } from '../../src/actors/ingest/log-ingest-actor.ts';
import type { LogRequester } from '../../src/actors/ingest/log-link.ts';
import type { IngestRefusal, IngestSummary } from '../../src/actors/ingest/protocol.ts';
import { ReadingScope } from '../../src/actors/ingest/reading-scope.ts';
import type { AppendLogReply, AppendLogRequest, LogAppend } from '../../src/actors/kafka-log/protocol.ts';
import { DecodedReading } from '../../src/model/decoded-reading.ts';
import { partitionOf } from '../../src/model/ids.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { LINKS_MAX } from '../../src/runtime/tracing.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { decodeWords, PARTITIONS, wordsBody } from '../fixtures/ingest/fake-shard.ts';
import { meters } from '../support/accounts-world.ts';
import { RecordedTracing, traceparentOf } from '../support/recorded-tracing.ts';

type Result = IngestSummary | IngestRefusal;

/** A log whose thread is the test. */
class FakeLog implements LogRequester {
  readonly received: LogAppend[][] = [];
  creditsMax = 4;
  hasBytes = true;
  private readonly open: { resolve(reply: AppendLogReply): void; reject(error: unknown): void }[] = [];
  private creditListener: (() => void) | null = null;

  get credits(): number {
    return this.creditsMax - this.open.length;
  }

  onCredit(fn: () => void): void {
    this.creditListener = fn;
  }

  tryRequest({ messages }: AppendLogRequest): Promise<AppendLogReply> | null {
    if (this.credits <= 0 || !this.hasBytes) return null;
    this.received.push(messages);
    return new Promise((resolve, reject) => this.open.push({ resolve, reject }));
  }

  grantCredit(): void {
    this.creditListener?.();
  }

  async answer(): Promise<void> {
    this.open.shift()!.resolve({});
    this.grantCredit();
    await settled();
  }

  async fail(code: string): Promise<void> {
    this.open.shift()!.reject(new OperationalError(code, 'the test failed it', { retryable: true }));
    this.grantCredit();
    await settled();
  }

  /** Words in the order of messages, of all requests. */
  words(): string[] {
    return this.received.map((messages) => messages.map(({ value }) => Buffer.from(value).toString()).join(' '));
  }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
const summary = (accepted: number): IngestSummary => ({ accepted, duplicates: 0, rejected: 0, errors: [] });

function setUp(options: Partial<LogIngestOptions> = {}, up = true) {
  const time = new VirtualTime(1_700_000_000_000);
  const turnEnds: (() => void)[] = [];
  const actor = new LogIngestActor({ ...INGEST_DEFAULTS, topic: 'raw_readings', partitionCount: PARTITIONS, ...options }, { clock: time, decode: decodeWords, atTurnEnd: (fn) => turnEnds.push(fn) });
  const log = new FakeLog();
  if (up) actor.logUp(log);
  const sendWithin = (scope: ReadingScope | null, words: string[]): Result[] => {
    const results: Result[] = [];
    actor.ingest(wordsBody(words), 'json', (result) => results.push(result), null, scope);
    return results;
  };
  const send = (...words: string[]): Result[] => sendWithin(null, words);
  const endTurn = () => turnEnds.splice(0).forEach((fn) => fn());
  return { actor, log, send, sendWithin, endTurn, time };
}

/** `count` meters of one partition. */
function neighbours(count: number): string[] {
  const all = Array.from({ length: 400 }, (_, i) => `m${i}`).filter((id) => partitionOf(id, PARTITIONS) === 3);
  return all.slice(0, count);
}

describe('requests', () => {
  it('of one turn share a message per partition and are answered when the log has it', async () => {
    const { log, send, endTurn, time } = setUp();
    const [a, b, c] = neighbours(3);
    const first = send(a);
    const second = send(b, c);
    expect(log.received).toEqual([]);
    endTurn();
    expect(log.received).toHaveLength(1);
    expect(log.received[0]).toMatchObject([{ partition: 3, kind: 'reading', contentType: 'json', judgedAtMs: time.now(), key: new Uint8Array(Buffer.from(a)) }]);
    expect(log.words()).toEqual([`[${a},${b},${c}]`]);
    expect([first, second]).toEqual([[], []]);
    await log.answer();
    expect([first, second]).toEqual([[summary(1)], [summary(2)]]);
  });

  it('share no message with those of another partition', () => {
    const { log, send, endTurn } = setUp();
    send('m1', 'm2', 'm3', 'm4', 'm5');
    endTurn();
    const partitions = log.received[0].map(({ partition }) => partition);
    expect(new Set(partitions).size).toBe(partitions.length);
    expect([...partitions].sort()).toEqual([...new Set(['m1', 'm2', 'm3', 'm4', 'm5'].map((id) => Number(partitionOf(id, PARTITIONS))))].sort());
  });

  it('take what was rejected along, and tell the sender of it', async () => {
    const { log, send, endTurn } = setUp();
    const results = send('!bad', 'm1');
    endTurn();
    expect(log.received[0].map(({ value }) => Buffer.from(value).toString()).sort()).toEqual(['[!bad]', '[m1]']);
    await log.answer();
    expect(results).toEqual([{ accepted: 1, duplicates: 0, rejected: 1, errors: [{ index: 0, code: 'missing_field', message: 'powerKw is missing' }] }]);
  });

  it('do not take along what their key may not send, as it would be counted there', async () => {
    const { actor, log, sendWithin, endTurn } = setUp();
    const results = sendWithin(new ReadingScope({ meters: meters('m1') }), ['m2', 'm1', '!bad']);
    endTurn();
    expect(log.received[0].map(({ value }) => Buffer.from(value).toString()).sort()).toEqual(['[!bad]', '[m1]']);
    await log.answer();
    expect(results).toMatchObject([{ accepted: 1, rejected: 2, errors: [{ index: 0, code: 'out_of_scope' }, { index: 2, code: 'missing_field' }] }]);
    expect(sendWithin(new ReadingScope({ meters: meters('m1') }), ['m2'])).toMatchObject([{ accepted: 0, rejected: 1 }]);
    expect(actor.stats()).toMatchObject({ requestsPending: 0, rejects: { out_of_scope: 2, missing_field: 1 } });
  });

  it('that cannot be read leave nothing behind', async () => {
    const { log, send, endTurn } = setUp();
    expect(send('m1', '?')).toMatchObject([{ status: 400 }]);
    expect(send('m1', '#')).toMatchObject([{ status: 413 }]);
    expect(() => send('m1', '%')).toThrow('the decoder broke');
    endTurn();
    expect(log.received).toEqual([]);
    send('m2');
    endTurn();
    expect(log.words()).toEqual(['[m2]']);
    await log.answer();
  });

  it('without readings are answered at once', () => {
    expect(setUp().send()).toEqual([summary(0)]);
  });

  it('are gathered while an append is under way', async () => {
    const { log, send, endTurn } = setUp({ gatheredReadings: 3 });
    const [a, b, c, d] = neighbours(4);
    send(a);
    endTurn();
    send(b);
    endTurn();
    send(c);
    endTurn();
    expect(log.words()).toEqual([`[${a}]`]);
    send(d);
    endTurn();
    expect(log.words()).toEqual([`[${a}]`, `[${b},${c},${d}]`]);
    send(a);
    endTurn();
    await log.answer();
    // The second append is still there.
    expect(log.received).toHaveLength(2);
    await log.answer();
    expect(log.words()[2]).toBe(`[${a}]`);
  });

  it('that came more than a second apart are not judged by one clock', async () => {
    const { log, send, endTurn, time } = setUp();
    log.creditsMax = 0;
    send('m1');
    endTurn();
    time.advance(1_500);
    send('m1');
    endTurn();
    log.creditsMax = 2;
    log.grantCredit();
    await log.answer();
    expect(log.received.map(([{ judgedAtMs }]) => judgedAtMs)).toEqual([1_700_000_000_000, 1_700_000_001_500]);
  });

  it('with a reading larger than a message are told so', () => {
    const decodeLarge: BodyDecoder = (body, _format, _nowMs, sink) => {
      sink.accept(0, new DecodedReading(), body, 0, body.length);
      return null;
    };
    const actor = new LogIngestActor({ ...INGEST_DEFAULTS, topic: 'raw_readings', partitionCount: PARTITIONS }, { clock: new VirtualTime(), decode: decodeLarge, atTurnEnd: () => {} });
    actor.logUp(new FakeLog());
    const results: Result[] = [];
    actor.ingest(new Uint8Array(1_000_000), 'json', (result) => results.push(result));
    expect(results).toMatchObject([{ accepted: 0, rejected: 1, errors: [{ index: 0, code: 'reading_too_large' }] }]);
  });
});

describe('requests that are traced', () => {
  const at3 = neighbours(6);
  const elsewhere = 'm5';

  function setUpTraced() {
    const set = setUp();
    const tracing = new RecordedTracing();
    /** Posts under a trace of its own. */
    const sendTraced = (n: number, ...words: string[]): Result[] => {
      const results: Result[] = [];
      const trace = tracing.continue('POST /ingest', traceparentOf(n, n.toString(16).padStart(32, '0')));
      set.actor.ingest(wordsBody(words), 'json', (result) => results.push(result), trace);
      return results;
    };
    const sends = () => tracing.named('send raw_readings');
    const headersOf = (partition: number) => set.log.received[0].find((message) => message.partition === partition)!.traceHeaders;
    return { ...set, tracing, sendTraced, sends, headersOf };
  }

  it('have a span of a producer until the log has their readings, whose context goes along with these', async () => {
    expect(partitionOf(elsewhere, PARTITIONS)).not.toBe(3);
    const { log, sendTraced, endTurn, sends, headersOf, tracing } = setUpTraced();
    const results = sendTraced(1, at3[0], elsewhere);
    endTurn();
    expect(sends()).toMatchObject([{ kind: 'producer', parent: tracing.named('POST /ingest')[0].traceparent, isEnded: false, attributes: { 'messaging.system': 'kafka', 'messaging.destination.name': 'raw_readings', 'messaging.operation.type': 'send', 'seg.readings': 2 } }]);
    const headers = { traceparent: sends()[0].traceparent };
    expect([headersOf(3), headersOf(partitionOf(elsewhere, PARTITIONS))]).toEqual([headers, headers]);
    await log.answer();
    expect(sends()[0].isEnded).toBe(true);
    expect(results).toEqual([summary(2)]);
  });

  it('are told apart in the messages that they share, among all their elements', () => {
    const { send, sendTraced, endTurn, sends, headersOf } = setUpTraced();
    send(at3[0]);
    sendTraced(1, at3[1], elsewhere, at3[2]);
    send(at3[3]);
    sendTraced(2, at3[4]);
    endTurn();
    const [one, two] = sends().map(({ traceparent }) => traceparent);
    expect(headersOf(3)).toEqual({ traceparent: one, 'seg-traces': `1 2,${two} 4 1` });
    expect(headersOf(partitionOf(elsewhere, PARTITIONS))).toEqual({ traceparent: one });
  });

  it('each have a span of its own trace, and a message names the first of them', () => {
    const { sendTraced, endTurn, sends, headersOf, tracing } = setUpTraced();
    for (let n = 1; n <= LINKS_MAX + 3; n++) sendTraced(n, at3[0]);
    endTurn();
    expect(sends().map(({ parent }) => parent)).toEqual(tracing.named('POST /ingest').map(({ traceparent }) => traceparent));
    expect(headersOf(3)!['seg-traces'].split(',')).toHaveLength(LINKS_MAX);
  });

  it('leave the messages of others as they are', () => {
    const { send, sendTraced, endTurn, headersOf, log } = setUpTraced();
    sendTraced(1, '?');
    send(at3[0]);
    sendTraced(2, elsewhere);
    endTurn();
    expect(headersOf(3)).toBeUndefined();
    expect(log.received[0].find(({ partition }) => partition === 3)).not.toHaveProperty('traceHeaders');
  });

  it('end their span with why the log did not take them, once', async () => {
    const { actor, log, sendTraced, endTurn, sends } = setUpTraced();
    sendTraced(1, at3[0]);
    endTurn();
    await log.fail('deadline');
    expect(sends()).toMatchObject([{ isEnded: true, error: 'deadline' }]);
    log.hasBytes = false;
    sendTraced(2, at3[1]);
    endTurn();
    log.grantCredit();
    expect(sends()).toMatchObject([{}, { isEnded: false }]);
    actor.logDown();
    expect(sends()).toMatchObject([{}, { isEnded: true, error: 'unavailable' }]);
  });
});

describe('trouble', () => {
  it('with the brokers is a 503, once, and the sender may send again', async () => {
    const { log, send, endTurn } = setUp();
    const results = send('m1');
    endTurn();
    await log.fail('unavailable');
    expect(results).toMatchObject([{ status: 503, code: 'unavailable', retryAfterSeconds: 2 }]);
    const again = send('m1');
    endTurn();
    await log.answer();
    expect(again).toEqual([summary(1)]);
  });

  it.each(['deadline', 'peer_gone', 'too_large', 'stale_epoch'])('named %s is a 503', async (code) => {
    const { log, send, endTurn } = setUp();
    const results = send('m1');
    endTurn();
    await log.fail(code);
    expect(results).toMatchObject([{ status: 503 }]);
  });

  it.each(['overloaded', 'mailbox_full'])('named %s is a 429', async (code) => {
    const { log, send, endTurn } = setUp();
    const results = send('m1');
    endTurn();
    await log.fail(code);
    expect(results).toMatchObject([{ status: 429, code: 'overloaded', retryAfterSeconds: 1 }]);
  });

  it('with room is a 429 before anything is decoded', () => {
    const { log, send, actor } = setUp({ queuedReadingsMax: 2 });
    log.creditsMax = 0;
    expect(send('m1', 'm2')).toEqual([]);
    expect(send('?')).toMatchObject([{ status: 429 }]);
    expect(actor.stats().shards).toEqual([{ queuedReadings: 2, queuedBytes: 5, up: true }]);
    const full = setUp({ queuedBytesMax: 5 });
    full.log.creditsMax = 0;
    full.send('m1', 'm2');
    expect(full.send('m3')).toMatchObject([{ status: 429 }]);
  });

  it('before the log is up, and after it went down, is a 503 for what waits and what comes', async () => {
    const { actor, log, send, endTurn } = setUp({}, false);
    expect(send('m1')).toMatchObject([{ status: 503 }]);
    actor.logUp(log);
    log.hasBytes = false;
    const held = send('m1');
    endTurn();
    const waiting = send('m2');
    actor.logDown();
    expect([held, waiting]).toMatchObject([[{ status: 503 }], [{ status: 503 }]]);
    expect(send('m3')).toMatchObject([{ status: 503 }]);
    const fresh = new FakeLog();
    actor.logUp(fresh);
    const later = send('m4');
    endTurn();
    await fresh.answer();
    expect(later).toEqual([summary(1)]);
    await actor.whenIdle();
    expect(actor.stats()).toMatchObject({ requestsPending: 0, readingsAccepted: 1, batches: { inFlight: 0 }, requests: { 202: 1, 503: 4 } });
  });

  it('with bytes in flight holds what was laid out and loses nothing of it', async () => {
    const { log, send, endTurn } = setUp();
    log.hasBytes = false;
    const results = send('m1');
    endTurn();
    log.hasBytes = true;
    log.grantCredit();
    await log.answer();
    expect(results).toEqual([summary(1)]);
    expect(log.words()).toEqual(['[m1]']);
  });
});
