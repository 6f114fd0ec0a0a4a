import { expect, it } from 'vitest';
import { placeOfKey } from '../../src/actors/kafka-log/changelog.ts';
import { STEP_ROWS_MAX } from '../../src/actors/shard/actor-bounds.ts';
import { LogNode, LogWorld } from '../support/log-world.ts';

it('a partition writes what it refused in steps of a bounded size, however many messages the log gives at once', async () => {
  const messages = 4 * STEP_ROWS_MAX;
  const world = new LogWorld(Date.UTC(2026, 2, 1, 12));
  const node = new LogNode(world, { latenessMs: 5_000 }, () => true);
  node.hear();
  await world.advance(50);
  const refusedPerCommit: number[] = [];
  const push = world.state.push.bind(world.state);
  world.state.push = (...changes) => {
    refusedPerCommit.push(changes.filter(({ key }) => placeOfKey(key).table === 'deadLetters').length);
    return push(...changes);
  };
  world.pieceMessages = messages;
  const timestamp = world.time.now();
  for (let i = 0; i <= messages; i++) world.produce(JSON.stringify({ meterId: 'm-1', region: 'r-1', timestamp, powerKw: i }));
  await world.advance(20_000);
  expect(refusedPerCommit.reduce((sum, count) => sum + count, 0)).toBe(messages);
  expect(Math.max(...refusedPerCommit)).toBeLessThanOrEqual(STEP_ROWS_MAX);
});
