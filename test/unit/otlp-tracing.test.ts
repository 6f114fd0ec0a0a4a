import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Log } from '../../src/runtime/log.ts';
import { parseTraceparent } from '../../src/runtime/trace-context.ts';
import { openTracing } from '../../src/runtime/open-tracing.ts';
import { LINKS_MAX, type Tracing } from '../../src/runtime/tracing.ts';
import { OtlpCollector } from '../support/otlp-collector.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER = '00f067aa0ba902b7';
const from = (isSampled: boolean) => ({ traceId: TRACE, spanId: CALLER, isSampled });
const START_MS = 1_790_000_000_000.25;

let collector: OtlpCollector;
let tracing: Tracing;
let nowMs: number;
let chance: number;
let said: string[];

beforeEach(async () => {
  collector = await OtlpCollector.start();
  [nowMs, chance, said] = [START_MS, 0.5, []];
  const log: Log = { debug() {}, info: (_, message) => void said.push(message), warn: (_, message) => void said.push(message), error() {}, child: () => log };
  tracing = (await openTracing({ url: `${collector.url}/`, sampleRatio: 0.5, version: '1.2.3', instance: 'abc' }, 'shard-0', { log, nowMs: () => nowMs, random: () => chance }))!;
});

afterEach(async () => {
  await tracing.close();
  await collector.close();
});

describe('traces', () => {
  test('are none without options', async () => {
    expect(await openTracing(null, 'main', { log: null as unknown as Log, nowMs: () => 0 })).toBeNull();
  });

  test('go on with a request that is sampled, not with one that is not, and begin by chance where there is none', () => {
    expect(parseTraceparent(tracing.receive('a', from(true))!.traceparent)).toMatchObject({ traceId: TRACE, isSampled: true });
    expect(tracing.receive('b', from(false))).toBeNull();
    expect(tracing.receive('c', null)).toBeNull();
    chance = 0.499;
    expect(parseTraceparent(tracing.receive('d', null)!.traceparent)!.traceId).not.toBe(TRACE);
    // Chance has no say where the sender has decided.
    expect(tracing.receive('e', from(false))).toBeNull();
  });

  test('arrive with their times to the microsecond, parents, links, kind, attributes and errors', async () => {
    const root = tracing.receive('request', from(true), { kind: 'server', attributes: { path: '/x' } })!;
    const elsewhere = tracing.continue('far', root.traceparent, { kind: 'client', links: [`00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`], startMs: START_MS - 10.5 });
    nowMs += 2.125;
    root.child('part').end({ endMs: nowMs + 1 });
    elsewhere.end({ error: 'broken' });
    root.end({ attributes: { status: 202 } });
    await tracing.close();
    const spans = new Map(collector.spans.map((span) => [span.name, span]));
    const [rootId, farTrace] = [spans.get('request')!.spanId, spans.get('far')!.traceId];
    expect(spans.get('request')).toMatchObject({ traceId: TRACE, parentSpanId: CALLER, kind: 2, startMs: START_MS, endMs: START_MS + 2.125, attributes: { path: '/x', 'thread.name': 'shard-0' } });
    expect(Number(spans.get('request')!.attributes.status)).toBe(202);
    expect(spans.get('request')!.resource).toEqual({ 'service.name': 'smart-energy-grid', 'service.version': '1.2.3', 'service.instance.id': 'abc' });
    expect(farTrace).toBe(TRACE);
    expect(spans.get('far')).toMatchObject({ parentSpanId: rootId, kind: 3, startMs: START_MS - 10.5, links: [{ traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8) }], status: { code: 2, message: 'broken' } });
    expect(spans.get('part')).toMatchObject({ parentSpanId: rootId, kind: 1, endMs: START_MS + 3.125 });
  });

  test('name no more links than a span has room for', async () => {
    const links = Array.from({ length: LINKS_MAX + 10 }, (_, i) => `00-${TRACE}-${(i + 1).toString(16).padStart(16, '0')}-01`);
    tracing.receive('many', from(true), { links })!.end();
    await tracing.close();
    expect(collector.spans[0].links).toHaveLength(LINKS_MAX);
  });

  test('are counted as sent, or as lost, which the log says once', async () => {
    tracing.receive('well', from(true))!.end();
    await tracing.close();
    expect(tracing.figures()).toEqual({ spansSent: 1, spansLost: 0 });
    expect(said).toEqual([]);
  });

  test('are lost with a collector that refuses them, said once', async () => {
    collector.status = 400;
    for (let i = 0; i < 3; i++) tracing.receive('lost', from(true))!.end();
    await tracing.close();
    expect(tracing.figures()).toEqual({ spansSent: 0, spansLost: 3 });
    expect(said).toEqual(['traces cannot be sent; the engine goes on without them']);
  });
});
