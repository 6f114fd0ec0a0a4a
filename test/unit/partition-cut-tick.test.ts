import { expect, it } from 'vitest';
import { TICK_METERS_MAX } from '../../src/actors/shard/actor-bounds.ts';
import { LogNode, LogWorld } from '../support/log-world.ts';

/** More than a tick has, so that it is cut short and the next follows from within the record of the one before. */
const METERS = 3 * TICK_METERS_MAX + 1;
const COMMITS_MAX = 80;

/** Meters in the region's one window, as the node that comes after counts them when the first one dies with that commit; null when there was no such commit. */
async function metersAfterDeath(atCommit: number): Promise<number[] | null> {
  const world = new LogWorld(Date.UTC(2026, 2, 1, 12));
  const node = new LogNode(world, { latenessMs: 5_000 }, () => true);
  node.hear();
  await world.advance(50);
  world.pieceMessages = 50;
  const timestamp = world.time.now();
  for (let i = 0; i < METERS; i++) world.produce(JSON.stringify({ meterId: `m-${i}`, region: 'r-1', timestamp, powerKw: 1 }));
  await world.advance(30_000);
  let commits = 0;
  const push = world.state.push.bind(world.state);
  world.state.push = (...changes) => {
    const length = push(...changes);
    if (++commits === atCommit) node.crash('wiped');
    return length;
  };
  await world.advance(90_000);
  if (commits < atCommit) return null;
  node.hear();
  await world.advance(60_000);
  return node.actor!.ask<'regionParts'>({ kind: 'regionParts', region: 'r-1', granularity: '1m', from: 0, to: 1e13, limit: 100, withOpen: false }).map(({ meters }) => meters);
}

it('a partition counts each window once in its region, whichever commit among its ticks is the last of the node that held it', async () => {
  let commits = 0;
  for (; commits < COMMITS_MAX; commits++) {
    const meters = await metersAfterDeath(commits + 1);
    if (meters === null) break;
    expect(meters, `after a death with commit ${commits + 1}`).toEqual([METERS]);
  }
  expect(commits).toBeGreaterThan(3);
});
