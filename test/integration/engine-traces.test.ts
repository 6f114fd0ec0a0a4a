import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TOPICS } from '../../src/actors/sinks/kafka/topics.ts';
import { kcatConsume, kcatProduce } from '../services/kcat.ts';
import { suiteWithKafka, suiteWithPostgres } from '../services/service-suites.ts';
import { post, scrape } from '../support/engine-api.ts';
import { EngineProcess, eventually, type Settings } from '../support/engine-process.ts';
import { freshDatabase } from '../support/fresh-database.ts';
import { deleteTopics, kcatPrint } from '../support/kafka-records.ts';
import { logSettings } from '../support/log-engines.ts';
import { OtlpCollector, type CollectedSpan } from '../support/otlp-collector.ts';

/** Traces of a real engine, as a collector gets them. */

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER = '00f067aa0ba902b7';
const OTHER_TRACE = '0af7651916cd43dd8448eb211c80319c';
const WAIT_MS = 30_000;
const SERVER = 2;
const CLIENT = 3;
const PRODUCER = 4;
const CONSUMER = 5;
const INTERNAL = 1;

let collector: OtlpCollector;
let engine: EngineProcess;

beforeEach(async () => {
  collector = await OtlpCollector.start();
});

afterEach(async () => {
  await engine.dispose();
  await collector.close();
});

async function start(settings: Settings = {}): Promise<void> {
  engine = await EngineProcess.start({ settings: { SHARDS: '1', LATENESS: '1s', CHECKPOINT_INTERVAL: '1s', OTLP_URL: collector.url, TRACE_SAMPLE: '0', ...settings } });
}

const at = (minutesAgo: number): number => Math.floor(Date.now() / 60_000) * 60_000 - minutesAgo * 60_000;

/** Posts one reading of the meter; resolves to the answer's status. */
async function send(meterId: string, headers: Record<string, string>, minutesAgo = 10): Promise<number> {
  const body = JSON.stringify({ meterId, region: 'region-01', timestamp: at(minutesAgo), powerKw: 1.5 });
  const answer = await fetch(`http://127.0.0.1:${engine.ports.ingest}/ingest`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body });
  await answer.body?.cancel();
  return answer.status;
}

const sampled = (traceId: string, spanId = CALLER): Record<string, string> => ({ traceparent: `00-${traceId}-${spanId}-01` });

/** The spans of the trace once these have come, by name; each once but for checkpoint steps. */
async function spansOf(traceId: string, names: readonly string[]): Promise<Map<string, CollectedSpan>> {
  const found = await eventually(async () => collector.ofTrace(traceId), (spans) => names.every((name) => spans.some((span) => span.name === name)), WAIT_MS);
  return new Map(found.map((span) => [span.name, span]));
}

const PATH = ['POST /ingest', 'receive', 'decode', 'append', 'shard batch', 'append to log', 'fold', 'acknowledge', 'checkpoint step'];

function expectPath(spans: Map<string, CollectedSpan>): void {
  const root = spans.get('POST /ingest')!;
  expect(root).toMatchObject({ kind: SERVER, parentSpanId: CALLER, attributes: { 'http.route': '/ingest', 'http.response.status_code': 202, 'thread.name': 'ingest-0' }, resource: { 'service.name': 'smart-energy-grid' } });
  const parents = PATH.slice(1).map((name) => [name, [...spans.values()].find(({ spanId }) => spanId === spans.get(name)!.parentSpanId)?.name]);
  expect(parents).toEqual([
    ['receive', 'POST /ingest'],
    ['decode', 'POST /ingest'],
    ['append', 'POST /ingest'],
    ['shard batch', 'append'],
    ['append to log', 'shard batch'],
    ['fold', 'shard batch'],
    ['acknowledge', 'POST /ingest'],
    ['checkpoint step', 'POST /ingest'],
  ]);
  expect([spans.get('append')!.kind, spans.get('shard batch')!.kind, spans.get('fold')!.kind]).toEqual([CLIENT, SERVER, INTERNAL]);
  expect(spans.get('shard batch')!.attributes).toMatchObject({ 'thread.name': 'shard-0', 'seg.shard': 0, 'seg.readings': 1 });
  // The clocks of the threads are one: what waits for another lasts as long.
  const order = ['POST /ingest', 'decode', 'append', 'shard batch', 'append to log', 'fold', 'acknowledge'].map((name) => spans.get(name)!.startMs);
  expect(order).toEqual([...order].sort((a, b) => a - b));
  expect(spans.get('append')!.endMs).toBeGreaterThanOrEqual(spans.get('shard batch')!.endMs);
  for (const span of spans.values()) expect(span.endMs).toBeGreaterThanOrEqual(span.startMs);
}

describe('an engine with a collector', () => {
  it('tells of a request from its first byte to the tables, under the caller\'s span', { timeout: 60_000 }, async () => {
    await start();
    expect(await send('meter-1', sampled(TRACE))).toBe(202);
    expectPath(await spansOf(TRACE, PATH));
    expect([...collector.contentTypes]).toEqual(['application/json']);
    const metrics = await eventually(() => scrape(engine), (found) => (found.get('seg_trace_spans_total{outcome="sent"}') ?? 0) >= PATH.length, WAIT_MS);
    expect(metrics.get('seg_trace_spans_total{outcome="lost"}')).toBe(0);
  });

  it('tells nothing of requests that are not sampled, whose header is none, or by chance alone with a share of 0', { timeout: 60_000 }, async () => {
    await start();
    await send('meter-1', { traceparent: `00-${OTHER_TRACE}-${CALLER}-00` });
    await send('meter-2', { traceparent: `00-${OTHER_TRACE.toUpperCase()}-${CALLER}-01` });
    await send('meter-3', {});
    await send('meter-4', sampled(TRACE));
    await spansOf(TRACE, PATH);
    expect(collector.spans.filter(({ traceId }) => traceId !== TRACE)).toEqual([]);
    expect(collector.named('POST /ingest')).toHaveLength(1);
  });

  it('begins a trace of each with a share of 1, and tells of refused bodies and of the gateway too', { timeout: 60_000 }, async () => {
    await start({ TRACE_SAMPLE: '1' });
    await send('meter-1', {});
    await fetch(engine.apiUrl('/api/v1/meters/meter-1'), { headers: sampled(TRACE) }).then((answer) => answer.text());
    await fetch(`http://127.0.0.1:${engine.ports.ingest}/ingest`, { method: 'POST', headers: { 'content-type': 'application/json', ...sampled(OTHER_TRACE) }, body: '[' }).then((answer) => answer.text());
    const [root] = await eventually(async () => collector.named('POST /ingest').filter(({ parentSpanId }) => !parentSpanId), (found) => found.length > 0, WAIT_MS);
    expect(root.traceId).toMatch(/^[0-9a-f]{32}$/);
    const query = (await spansOf(TRACE, ['GET /api/v1/meters/:meterId'])).get('GET /api/v1/meters/:meterId')!;
    expect(query).toMatchObject({ kind: SERVER, parentSpanId: CALLER, attributes: { 'http.request.method': 'GET', 'thread.name': 'main' } });
    // Grafana finds the lines of a span by its thread.
    expect(engine.lines.find(({ msg }) => msg.startsWith('ready'))!.name).toBe(query.attributes['thread.name']);
    const refused = (await spansOf(OTHER_TRACE, ['POST /ingest', 'decode'])).get('POST /ingest')!;
    expect(refused.attributes['http.response.status_code']).toBe(400);
    expect(collector.ofTrace(OTHER_TRACE).some(({ name }) => name === 'append')).toBe(false);
  });

  it('goes on while the collector fails, says so once, and counts what is lost', { timeout: 60_000 }, async () => {
    collector.status = 400;
    await start({ TRACE_SAMPLE: '1' });
    for (let i = 0; i < 5; i++) {
      expect(await send(`meter-${i}`, {})).toBe(202);
      await eventually(async () => collector.requests, (count) => count > i, WAIT_MS);
    }
    const metrics = await eventually(() => scrape(engine), (found) => (found.get('seg_trace_spans_total{outcome="lost"}') ?? 0) > 5, WAIT_MS);
    expect(metrics.get('seg_trace_spans_total{outcome="sent"}')).toBe(0);
    const said = engine.lines.filter(({ msg, name }) => msg.startsWith('traces cannot be sent') && name === 'ingest-0');
    expect(said).toHaveLength(1);
  });

  it('makes no spans and no metric of them when none is named', { timeout: 60_000 }, async () => {
    engine = await EngineProcess.start({ settings: { SHARDS: '1' } });
    expect(await send('meter-1', sampled(TRACE))).toBe(202);
    expect([...(await scrape(engine)).keys()].filter((name) => name.includes('trace'))).toEqual([]);
  });
});

suiteWithPostgres('a trace to the database', (postgres) => {
  it('ends with the write of the window, and names the other requests of the batch as links', { timeout: 120_000 }, async () => {
    const database = await freshDatabase(postgres().url);
    try {
      await start({ TIMESCALE_URL: database.url });
      await Promise.all([send('meter-1', sampled(TRACE)), send('meter-2', sampled(OTHER_TRACE, 'b7ad6b7169203331'))]);
      await eventually(() => database.rows('SELECT 1 FROM aggregates_1m').catch(() => []), (rows) => rows.length === 2, WAIT_MS);
      // A piece may be sent more than once: each time its write is named under one of its requests, and linked to the others.
      const writesOf = (traceId: string) => collector.named('write timescale').filter((span) => span.traceId === traceId || span.links.some((link) => link.traceId === traceId));
      await eventually(async () => [TRACE, OTHER_TRACE].every((traceId) => writesOf(traceId).length > 0), (both) => both, WAIT_MS);
      for (const traceId of [TRACE, OTHER_TRACE]) {
        const { spanId } = (await spansOf(traceId, ['POST /ingest'])).get('POST /ingest')!;
        for (const span of writesOf(traceId)) {
          const said = span.traceId === traceId ? span.parentSpanId : span.links.find((link) => link.traceId === traceId)!.spanId;
          expect(said).toBe(spanId);
        }
        expect(writesOf(traceId)[0]).toMatchObject({ kind: CLIENT, attributes: { 'thread.name': 'sinks', 'seg.shard': 0 } });
      }
    } finally {
      await database.drop();
    }
  });
});

suiteWithKafka('a trace to the topics', (kafka) => {
  it('goes on in the headers of their messages', { timeout: 120_000 }, async () => {
    const prefix = `traces-${process.pid}-`;
    try {
      await start({ KAFKA_BROKERS: kafka().brokers, KAFKA_TOPIC_PREFIX: prefix });
      await post(engine, [{ meterId: 'meter-9', region: 'region-01', timestamp: at(12), powerKw: 1 }]);
      await send('meter-1', sampled(TRACE));
      const [write] = await eventually(async () => collector.named('write kafka'), (found) => found.length > 0, WAIT_MS);
      expect(write).toMatchObject({ traceId: TRACE, kind: PRODUCER, parentSpanId: collector.named('POST /ingest')[0].spanId });
      const printed = (await eventually(() => kcatPrint(kafka().brokers, `${prefix}aggregates_1m`, '%k %h\\n'), (text) => text.includes('meter-1'), WAIT_MS)).toString();
      const [line] = printed.split('\n').filter((text) => text.startsWith('meter-1 '));
      const spans = collector.named('write kafka').map(({ traceId, spanId }) => `00-${traceId}-${spanId}-01`);
      expect(spans).toContain(/traceparent=([^,]+)/.exec(line)?.[1]);
    } finally {
      await deleteTopics(kafka().brokers, prefix);
    }
  });
});

suiteWithKafka('a trace through a log in Kafka', (kafka) => {
  it('goes on with who folds its message, and so does that of another producer\'s', { timeout: 120_000 }, async () => {
    const { brokers } = kafka();
    const name = `traced-log-${process.pid}`;
    const topic = `${name}.raw_readings`;
    try {
      await start(logSettings(brokers, name, { KAFKA_RESULTS: 'on', CHECKPOINT_INTERVAL: '1s' }));
      expect(await send('meter-1', sampled(TRACE))).toBe(202);
      const path = ['POST /ingest', `send ${topic}`, `process ${topic}`, 'fold', 'checkpoint step', 'write kafka'];
      const spans = await spansOf(TRACE, path);
      const parents = path.slice(1).map((span) => [...spans.values()].find(({ spanId }) => spanId === spans.get(span)!.parentSpanId)?.name);
      expect(parents).toEqual(['POST /ingest', `send ${topic}`, `process ${topic}`, `send ${topic}`, `send ${topic}`]);
      expect([spans.get(`send ${topic}`)!.kind, spans.get(`process ${topic}`)!.kind]).toEqual([PRODUCER, CONSUMER]);
      const message = (await kcatConsume(brokers, topic)).find(({ key }) => key === 'meter-1')!;
      expect(message.headers).toMatchObject({ traceparent: `00-${TRACE}-${spans.get(`send ${topic}`)!.spanId}-01` });

      const produce = (minutesAgo: number, headers: Record<string, string>) => kcatProduce(brokers, topic, { key: 'meter-1', value: JSON.stringify({ meterId: 'meter-1', region: 'region-01', timestamp: at(minutesAgo), powerKw: 2 }), headers });
      await produce(9, { traceparent: 'none' });
      await produce(8, sampled(OTHER_TRACE));
      expect((await spansOf(OTHER_TRACE, [`process ${topic}`])).get(`process ${topic}`)!.parentSpanId).toBe(CALLER);
      // With its quarter-hour, which is the first trace's as well: one of them is the parent.
      const isItsWrite = ({ traceId, parentSpanId, links }: CollectedSpan) => [{ traceId, spanId: parentSpanId }, ...links].some((of) => of.traceId === OTHER_TRACE && of.spanId === CALLER);
      await eventually(async () => collector.named('write kafka').some(isItsWrite), (isThere) => isThere, WAIT_MS);
      expect(collector.named(`process ${topic}`).map(({ traceId }) => traceId)).toEqual([TRACE, OTHER_TRACE]);
    } finally {
      await deleteTopics(brokers, `${name}.`, [...TOPICS, 'raw_readings', 'seg_state']);
    }
  });
});
