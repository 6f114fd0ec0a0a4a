import { beforeEach, describe, expect, it } from 'vitest';
import { ChangeLog } from '../../src/actors/sinks/change-log.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { RecordTable } from '../../src/runtime/record-table.ts';

describe('the log of what changed', () => {
  let store: MemoryStore;
  beforeEach(() => {
    store = new MemoryStore();
  });

  function logOf(consumers: string[], generation = 'a'): ChangeLog<string> {
    const log = new ChangeLog<string>(new RecordTable(store, 'changes'), { consumers, generation }, { parts: ['all'], changes: 'changes', rowsMax: 100 });
    log.load();
    return log;
  }

  async function committed(log: ChangeLog<string>): Promise<void> {
    log.flush();
    await store.commit();
  }

  const changesFrom = (log: ChangeLog<string>, sequence: number): string[] => log.changes(sequence, 10).rows.map(({ record }) => record);

  it('begins again with everything for a consumer that was away from the settings', async () => {
    let log = logOf(['a', 'b']);
    log.add(['x']);
    const position = log.position(log.changes(1, 10).next);
    for (const consumer of ['a', 'b']) log.acknowledge(consumer, position);
    await committed(log);
    log = logOf(['a']);
    await committed(log);
    log = logOf(['a', 'b']);
    expect([log.placeOf('a', null).part, log.placeOf('b', null).part]).toEqual(['changes', 'all']);
  });

  it('numbers no two changes alike when there was nobody for a while', async () => {
    let log = logOf(['a']);
    log.add(['x', 'y', 'z']);
    await committed(log);
    log = logOf([]);
    await committed(log);
    log = logOf(['a'], 'b');
    const { part, sequence } = log.placeOf('a', null);
    log.add(['new']);
    await committed(log);
    expect([part, changesFrom(log, sequence)]).toEqual(['all', ['new']]);
  });

  it('leaves alone where a consumer is when it is told a position of another log, or nonsense', async () => {
    const log = logOf(['a']);
    log.add(['x']);
    await committed(log);
    log.acknowledge('a', log.position(log.changes(1, 10).next));
    const place = log.placeOf('a', null);
    for (const junk of ['', 'a', 'other.changes.1', 'a.changes.999', 'a.parts.1.k', 'a.changes.-1']) {
      log.acknowledge('a', junk);
      expect([junk, log.placeOf('a', null)]).toEqual([junk, place]);
    }
    expect(place).toEqual({ part: 'changes', sequence: 2, after: '' });
  });
});
