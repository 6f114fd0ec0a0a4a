import { beforeEach, describe, expect, it } from 'vitest';
import { ChangelogStore, restoreState, statePlace, type StateLog } from '../../src/actors/kafka-log/changelog.ts';
import type { KeyValue } from '../../src/actors/kafka-log/key-values.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';

const PIECE = 2;
const NOW_MS = 1_000;

/** The topic; `gate` holds commits up, `refusal` refuses the next. */
class Topic implements StateLog {
  readonly changes: KeyValue[] = [];
  gate: Promise<void> = Promise.resolve();
  refusal: OperationalError | null = null;

  async commit(changes: readonly KeyValue[]): Promise<number> {
    await this.gate;
    if (this.refusal !== null) throw this.refusal;
    this.changes.push(...changes);
    return this.changes.length;
  }

  async read(offset: number) {
    const changes = this.changes.slice(offset, offset + PIECE);
    return { changes, next: offset + changes.length, isEnd: offset + changes.length === this.changes.length };
  }
}

/** What a store holds, but for its place. */
function contentOf(local: MemoryStore): Record<string, string> {
  return Object.fromEntries([...local.table('t').range(Buffer.alloc(1), Buffer.alloc(8, 255))].map(({ key, value }) => [Buffer.from(key).toString(), Buffer.from(value).toString()]));
}

describe('a changelog', () => {
  let topic: Topic;
  let local: MemoryStore;
  let store: ChangelogStore;

  beforeEach(() => {
    topic = new Topic();
    local = new MemoryStore();
    store = new ChangelogStore(local, topic, () => NOW_MS);
  });

  async function write(content: Record<string, string | null>): Promise<void> {
    for (const [key, value] of Object.entries(content)) {
      if (value === null) store.table('t').remove(Buffer.from(key));
      else store.table('t').put(Buffer.from(key), Buffer.from(value));
    }
    await store.commit();
  }

  it('brings an empty store, and an older one, to where another is, removals too', async () => {
    await write({ a: '1', b: '2', c: '3' });
    const older = new MemoryStore();
    await restoreState(older, topic, 0, () => NOW_MS);
    await write({ b: null, c: '4', d: '5' });
    expect(contentOf(local)).toEqual({ a: '1', c: '4', d: '5' });
    for (const other of [new MemoryStore(), older]) {
      await restoreState(other, topic, statePlace(other)?.offset ?? 0, () => NOW_MS);
      expect(contentOf(other)).toEqual(contentOf(local));
      expect(statePlace(other)).toEqual({ offset: 6, atMs: NOW_MS });
    }
  });

  it('has it first: what it refuses is not in the store', async () => {
    await write({ a: '1' });
    topic.refusal = new OperationalError('fenced', 'somebody else has it');
    await expect(write({ a: '2', b: '2' })).rejects.toMatchObject({ code: 'fenced' });
    expect(contentOf(local.crash('kept'))).toEqual({ a: '1' });
    expect(statePlace(local)).toEqual({ offset: 1, atMs: NOW_MS });
  });

  it.each([1, 2, 3])('the store of a process that dies in its commit %i is where it says, and reading on makes it whole', async (deathAt) => {
    let commits = 0;
    let die!: () => void;
    const death = new Promise<void>((resolve) => (die = resolve));
    const disk = new MemoryStore({ takeCommit: () => (++commits === deathAt ? (die(), new Promise(() => {})) : Promise.resolve()) });
    store = new ChangelogStore(disk, topic, () => NOW_MS);
    const writing = write({ a: '1', b: '2' }).then(() => write({ a: null, c: '3' }));
    await Promise.race([writing, death]);
    const found = disk.crash('lost', {});
    await restoreState(found, topic, statePlace(found)?.offset ?? 0, () => NOW_MS);
    const whole = new MemoryStore();
    await restoreState(whole, topic, 0, () => NOW_MS);
    expect(contentOf(found)).toEqual(contentOf(whole));
  });

  it('that answers after the store was closed leaves it as it was', async () => {
    await write({ a: '1' });
    let open!: () => void;
    topic.gate = new Promise((resolve) => (open = resolve));
    const late = write({ a: '2' });
    await store.close();
    open();
    await expect(late).rejects.toMatchObject({ code: 'stopping' });
    expect(contentOf(local.crash('kept'))).toEqual({ a: '1' });
    expect(statePlace(local)?.offset).toBe(1);
  });
});
