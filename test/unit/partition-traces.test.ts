import { describe, expect, it } from 'vitest';
import { BEGINNING } from '../../src/actors/sinks/protocol.ts';
import { LogNode, LogWorld } from '../support/log-world.ts';
import { RecordedTracing, traceparentOf } from '../support/recorded-tracing.ts';
import { CONSUMERS } from '../support/shared-consumer.ts';

/** Spans of a partition that folds messages of traced requests. */

const START_MS = Date.UTC(2026, 2, 1, 12);
const ONE = traceparentOf(1);
const TWO = traceparentOf(2, 'ab'.repeat(16));
const UNTRACED = 'm-0';
const reading = (meterId: string, minutesAgo = 10) => ({ meterId, region: 'r-0', timestamp: START_MS - minutesAgo * 60_000, powerKw: 1 });

async function start() {
  const world = new LogWorld(START_MS);
  const tracing = new RecordedTracing();
  const node = new LogNode(world, { latenessMs: 0, tracing }, () => true);
  node.hear();
  await world.advance(50);
  return { world, tracing, node };
}

/** The traces of all windows that a sink is given. */
function deliveredTraces(node: LogNode): string[] {
  return node.actor!.ask<'effects'>({ kind: 'effects', consumer: CONSUMERS[0], position: BEGINNING, windowsMax: 100 }).traces ?? [];
}

describe('a message of a traced request', () => {
  it('has a span of a consumer with its fold in it, and a step of a checkpoint after it', async () => {
    const { world, tracing } = await start();
    world.produce(JSON.stringify([reading('m-1'), reading('m-2')]), { traceparent: ONE });
    await world.advance(10_000);
    const [consumed] = tracing.named('process raw_readings');
    const offset = world.messages.findIndex(({ kind }) => kind === 'reading');
    expect(consumed).toMatchObject({
      ...{ kind: 'consumer', parent: ONE, links: [], isEnded: true },
      attributes: { 'messaging.system': 'kafka', 'messaging.operation.type': 'process', 'messaging.destination.name': 'raw_readings', 'messaging.destination.partition.id': '0', 'messaging.kafka.offset': offset, 'seg.shard': 0, 'seg.readings': 2 },
    });
    expect(tracing.named('fold')).toMatchObject([{ parent: consumed.traceparent, isEnded: true }]);
    expect(tracing.named('checkpoint step')).toMatchObject([{ parent: ONE, isEnded: true, attributes: { 'seg.shard': 0 } }]);
    expect(tracing.spans).toHaveLength(3);
  });

  it('is found from the delivery of its windows, however its readings lie among others and rejected ones', async () => {
    const { world, tracing, node } = await start();
    const elements = [reading(UNTRACED), { meterId: 'm-1' }, reading('m-1'), reading(UNTRACED, 9), { meterId: 'm-2' }, reading('m-2', 8)];
    world.produce(JSON.stringify(elements), { traceparent: ONE, 'seg-traces': `1 2,${TWO} 4 2` });
    await world.advance(300_000);
    expect(tracing.named('process raw_readings')).toMatchObject([{ parent: ONE, links: [TWO], attributes: { 'seg.readings': 4 } }]);
    expect(deliveredTraces(node).sort()).toEqual([ONE, TWO].sort());
    const windows = (meterId: string) => node.actor!.ask<'meterWindows'>({ kind: 'meterWindows', meterId, query: { granularity: '1m', from: 0, to: 1e13, limit: 10, cursor: null } })!.data;
    expect([UNTRACED, 'm-1', 'm-2'].map((meterId) => windows(meterId).length)).toEqual([2, 1, 1]);
  });

  it('gives nothing to the windows of other readings', async () => {
    const { world, node } = await start();
    // Each part is of a rejected element alone.
    world.produce(JSON.stringify([reading(UNTRACED), { meterId: 'm-1' }, reading(UNTRACED, 9), { meterId: 'm-2' }]), { traceparent: ONE, 'seg-traces': `1 1,${TWO} 3 1` });
    await world.advance(300_000);
    expect(deliveredTraces(node)).toEqual([]);
  });

  it('counts its readings whatever its headers say, also when it cannot be read or has no such readings', async () => {
    const { world, tracing, node } = await start();
    world.produce('[', { traceparent: ONE });
    world.produce(JSON.stringify(reading('m-1')), { traceparent: ONE, 'seg-traces': `40000 10000,${TWO} 99999 99999` });
    await world.advance(300_000);
    expect(tracing.named('process raw_readings').map(({ attributes, isEnded }) => [attributes!['seg.readings'], isEnded])).toEqual([[0, true], [1, true]]);
    expect(node.actor!.counts).toMatchObject({ readings: 1, deadLetters: 1 });
    expect(deliveredTraces(node)).toEqual([]);
  });

  it('has no second span when it is read again for what the tables stand for already', async () => {
    const { world, tracing, node } = await start();
    world.produce(JSON.stringify(reading('m-1')), { traceparent: ONE });
    await world.advance(60_000);
    expect(tracing.named('process raw_readings')).toHaveLength(1);
    node.crash('kept');
    node.hear();
    await world.advance(5_000);
    expect(node.actor!.counts.readings).toBe(1);
    expect(tracing.named('process raw_readings')).toHaveLength(1);
    world.produce(JSON.stringify(reading('m-1', 9)), { traceparent: TWO });
    await world.advance(5_000);
    expect(tracing.named('process raw_readings').map(({ parent }) => parent)).toEqual([ONE, TWO]);
  });

  it('ends the span of a checkpoint step that is not written with why', async () => {
    const { world, tracing } = await start();
    await world.advance(10_000);
    world.commitsToAbort = 1;
    world.produce(JSON.stringify(reading('m-1')), { traceparent: ONE });
    await world.advance(5_000);
    expect(tracing.named('checkpoint step')[0]).toMatchObject({ isEnded: true, error: 'the tables were not written' });
  });

  it('leaves a node that does not trace as it is', async () => {
    const folded = await Promise.all([{ traceparent: ONE }, undefined].map(async (headers) => {
      const world = new LogWorld(START_MS);
      const node = new LogNode(world, { latenessMs: 0 }, () => true);
      node.hear();
      await world.advance(50);
      world.produce(JSON.stringify(reading('m-1')), headers);
      await world.advance(300_000);
      return { counts: { ...node.actor!.counts }, traces: deliveredTraces(node), refusals: node.refusals };
    }));
    expect(folded[0]).toEqual(folded[1]);
    expect(folded[0]).toMatchObject({ counts: { readings: 1 }, traces: [], refusals: [] });
  });
});
