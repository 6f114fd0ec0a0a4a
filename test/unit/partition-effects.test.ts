import { expect, it } from 'vitest';
import { BEGINNING } from '../../src/actors/sinks/protocol.ts';
import { LogNode, LogWorld } from '../support/log-world.ts';
import { CONSUMERS } from '../support/shared-consumer.ts';

/** What a partition gives to sinks when another node may have it as well. */

const START_MS = Date.UTC(2026, 2, 1, 12);

async function nodeWithWindows(): Promise<LogNode> {
  const world = new LogWorld(START_MS);
  const node = new LogNode(world, { latenessMs: 0 }, () => true);
  node.hear();
  await world.advance(50);
  for (let minute = 0; minute < 3; minute++) {
    world.produce(JSON.stringify([{ meterId: 'm-1', region: 'r-0', timestamp: START_MS - (10 - minute) * 60_000, powerKw: 1 }, { meterId: 'm-1', timestamp: 'never' }]));
    await world.advance(5_000);
  }
  await world.advance(60_000);
  return node;
}

it('the regional windows go to a consumer of their own, and all else to the other', async () => {
  const { actor } = await nodeWithWindows();
  const [others, regions] = CONSUMERS.map((consumer) => actor!.ask<'effects'>({ kind: 'effects', consumer, position: BEGINNING, windowsMax: 100 }));
  expect([others.windowCount, others.deadLetters.length, others.regionWindows]).toEqual([4, 3, []]);
  expect([regions.windowCount, regions.deadLetters, regions.regionWindows.length, regions.isLast]).toEqual([0, [], 4, true]);
  // Once more from there: nothing, and without moving on.
  const again = actor!.ask<'effects'>({ kind: 'effects', consumer: CONSUMERS[1], position: regions.position, windowsMax: 100 });
  expect(again).toMatchObject({ position: regions.position, isLast: true, regionWindows: [] });
});

it('windows that closed and wait for their step are given to one consumer alone, and by each life of the partition anew', async () => {
  const world = new LogWorld(START_MS);
  const node = new LogNode(world, { latenessMs: 0 }, () => true);
  node.hear();
  await world.advance(50);
  world.produce(JSON.stringify([{ meterId: 'm-1', region: 'r-0', timestamp: START_MS - 300_000, powerKw: 1 }]));
  // The first step is over before the window closes.
  await world.advance(1_500);
  world.produce(JSON.stringify([{ meterId: 'm-1', region: 'r-0', timestamp: START_MS - 200_000, powerKw: 1 }]));
  await world.advance(300);
  const read = (consumer: number, position: string) => node.actor!.ask<'effects'>({ kind: 'effects', consumer: CONSUMERS[consumer], position, windowsMax: 100 });
  const [others, regions] = [read(0, BEGINNING), read(1, BEGINNING)];
  // Two minutes and their quarter-hour.
  expect([others.windowCount, regions.windowCount]).toEqual([3, 0]);
  expect(others.position).toMatch(/:el\d+\.\d+$/);
  expect(regions.position).not.toMatch(/:el/);
  expect(read(0, others.position).windowCount).toBe(0);
  node.crash('kept');
  node.hear();
  await world.advance(200);
  expect(read(0, others.position).windowCount).toBeGreaterThan(0);
});

it('a node that is behind the cursor gives nothing, and does not begin with everything again', async () => {
  const { actor } = await nodeWithWindows();
  const { position } = actor!.ask<'effects'>({ kind: 'effects', consumer: CONSUMERS[0], position: BEGINNING, windowsMax: 100 });
  const ahead = position.replace(/^(g[^:]+:o):(\d+):/, (_, head, sequence) => `${head}:${Number(sequence) + 1}:`);
  expect(ahead).not.toBe(position);
  expect(() => actor!.ask<'effects'>({ kind: 'effects', consumer: CONSUMERS[0], position: ahead, windowsMax: 100 })).toThrow(expect.objectContaining({ code: 'unavailable', retryable: true }));
  // The outbox of a topic that was made anew is another one.
  const other = actor!.ask<'effects'>({ kind: 'effects', consumer: CONSUMERS[0], position: ahead.replace(/^g[^:]+/, 'gother'), windowsMax: 100 });
  expect(other.windowCount).toBe(4);
});
