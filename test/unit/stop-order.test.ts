import { describe, expect, test } from 'vitest';
import { StopOrder } from '../../src/engine/stop-order.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { Shutdown } from '../../src/runtime/shutdown.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';

const LIMIT_MS = 1_000;

function makeOrder(): { shutdown: Shutdown; ends: StopOrder; ended: string[]; note: (name: string) => () => void } {
  const time = new VirtualTime(0);
  const shutdown = new Shutdown({ clock: time, timers: time, log: nullLog });
  const ended: string[] = [];
  return { shutdown, ends: new StopOrder(shutdown, LIMIT_MS), ended, note: (name) => () => void ended.push(name) };
}

describe('the order in which an engine stops', () => {
  test('is senders, questions, sinks, shards, and last of all who tells how it is, whatever began first', async () => {
    const { shutdown, ends, ended, note } = makeOrder();
    for (const phase of ['ops', 'shards', 'sinks', 'gateway', 'ingest'] as const) ends.add(phase, note(phase));
    const outcomes = await shutdown.run('test');
    expect(ended).toEqual(['ingest', 'gateway', 'sinks', 'shards', 'ops']);
    expect(outcomes.map(({ name, outcome }) => [name, outcome])).toEqual(ended.map((name) => [name, 'done']));
  });

  test('is within a phase that of the starts the other way round, each after the other has ended', async () => {
    const { shutdown, ends, ended, note } = makeOrder();
    ends.add('shards', note('links'));
    ends.add('shards', async () => {
      await Promise.resolve();
      note('threads')();
    });
    await shutdown.run('test');
    expect(ended).toEqual(['threads', 'links']);
  });

  test('goes on with the next phase when something in one fails', async () => {
    const { shutdown, ends, ended, note } = makeOrder();
    ends.add('gateway', () => Promise.reject(new OperationalError('storage_failed', 'no')));
    ends.add('shards', note('shards'));
    const outcomes = await shutdown.run('test');
    expect(ended).toEqual(['shards']);
    expect(outcomes.find(({ name }) => name === 'gateway')!.outcome).toBe('failed');
  });
});
