import { beforeEach, describe, expect, it } from 'vitest';
import { statePlace } from '../../src/actors/kafka-log/changelog.ts';
import { LogNode, LogWorld } from '../support/log-world.ts';

/** What a partition that cannot be served says, and what a copy on disk is worth when the topics are not what it was made from. */

const START_MS = Date.UTC(2026, 2, 1, 12);
const OPTIONS = { latenessMs: 5_000 };

describe('a partition', () => {
  let world: LogWorld;
  let node: LogNode;

  beforeEach(async () => {
    world = new LogWorld(START_MS);
    node = new LogNode(world, OPTIONS, () => true);
    node.hear();
    await world.advance(50);
    for (let i = 0; i < 30; i++) {
      world.produce(JSON.stringify({ meterId: 'm-1', region: 'r-1', timestamp: world.time.now(), powerKw: i }));
      await world.advance(20_000);
    }
    expect(node.state?.state).toBe('ready');
  });

  /** The same partition on a node that starts now. */
  async function startedAgain(options: { latenessMs: number; disk?: 'kept' | 'none' } = { ...OPTIONS, disk: 'none' }): Promise<LogNode> {
    const next = new LogNode(world, options, () => true);
    if (options.disk !== 'none') next.disk = node.disk.crash('kept');
    node.crash('wiped');
    next.hear();
    await world.advance(300);
    return next;
  }

  it('is not served when messages are gone that its state does not stand for', async () => {
    world.begin = world.messages.length;
    expect((await startedAgain()).refusals[0]).toMatch(/^log_gap: the log begins with offset \d+, but the state needs it from \d+ on/);
  });

  it('is served when only messages are gone that its state stands for', async () => {
    await world.advance(400_000);
    const noted = world.messages.length;
    world.begin = noted - 60;
    const next = await startedAgain();
    expect(next.refusals).toEqual([]);
    expect(next.state?.state).toBe('ready');
  });

  it('is not served on a log that is shorter than what its state stands for', async () => {
    world.messages.splice(10);
    expect((await startedAgain()).refusals[0]).toMatch(/^log_changed: the log ends before offset/);
  });

  it('is taken anew when another node had it between the look at its log and the reading of its state', async () => {
    const slow = new LogNode(world, OPTIONS, () => true);
    world.delayMs = 20_000;
    slow.hear();
    await world.advance(20_100);
    // Its question for the state is under way.
    world.delayMs = 0;
    const quick = new LogNode(world, OPTIONS, () => true);
    quick.hear();
    world.produce(JSON.stringify({ meterId: 'm-1', region: 'r-1', timestamp: world.time.now(), powerKw: 1 }));
    await world.advance(15_000);
    expect(quick.state?.state).toBe('ready');
    await world.advance(15_000);
    expect([slow.refusals, slow.state?.state]).toEqual([[], 'ready']);
  });

  it('is not served on another log of the same length', async () => {
    for (const message of world.messages) message.timestampMs += 1;
    expect((await startedAgain()).refusals[0]).toMatch(/^log_changed: offset \d+ of the log holds another message/);
  });

  it('is not served when its state is gone and the log does not begin with its first message any more', async () => {
    world.state = [];
    world.begin = 5;
    expect((await startedAgain()).refusals[0]).toMatch(/^state_lost: /);
  });

  it('is counted anew when its state is gone and the log is whole', async () => {
    world.state = [];
    const next = await startedAgain();
    expect(next.refusals).toEqual([]);
    expect(next.actor?.counts.readings).toBe(30);
  });

  it('takes up a log whose beginning was gone before any engine saw it', async () => {
    world.state = [];
    world.noted = null;
    world.begin = 5;
    const next = await startedAgain();
    expect([next.state?.state, next.refusals]).toEqual(['ready', []]);
  });

  it('is not served while its disk has no room, under that name, and again once it has', async () => {
    node.disk.failNext('storage_full', 2);
    world.produce(JSON.stringify({ meterId: 'm-2', region: 'r-1', timestamp: world.time.now(), powerKw: 1 }));
    await world.advance(3_000);
    expect(node.refusals[0]).toMatch(/^storage_full: the partition's state could not be written to the local disk/);
    await world.advance(30_000);
    expect(node.state?.state).toBe('ready');
  });

  it('reads on from the copy on its disk, and from the beginning where that is ahead of the topic or older than removals are kept', async () => {
    await world.advance(2_000);
    const kept = await startedAgain({ ...OPTIONS, disk: 'kept' });
    expect(kept.state).toMatchObject({ state: 'ready', restoredChanges: 0 });
    const place = statePlace(kept.disk)!;
    node = kept;

    kept.disk.table('changelog').put(Buffer.from('place'), Buffer.from(JSON.stringify({ ...place, offset: world.state.length + 1 })));
    await kept.disk.commit();
    const ahead = await startedAgain({ ...OPTIONS, disk: 'kept' });
    expect((ahead.state as { restoredChanges: number }).restoredChanges).toBeGreaterThan(10);
    node = ahead;

    ahead.disk.table('changelog').put(Buffer.from('place'), Buffer.from(JSON.stringify({ ...statePlace(ahead.disk)!, atMs: START_MS - 2 * 86_400_000 })));
    await ahead.disk.commit();
    const old = await startedAgain({ ...OPTIONS, disk: 'kept' });
    expect((old.state as { restoredChanges: number }).restoredChanges).toBeGreaterThan(10);
  });
});
