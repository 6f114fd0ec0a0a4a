import { describe, expect, it } from 'vitest';
import { AlertBook } from '../../src/actors/alerts/alert-book.ts';
import { AlertOutbox } from '../../src/actors/alerts/alert-outbox.ts';
import { AlertStore } from '../../src/actors/alerts/alert-store.ts';
import { DEFAULT_RULES } from '../../src/actors/alerts/rules.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { cleared, raised } from '../support/alert-signals.ts';

const T = Date.parse('2026-11-27T10:00:00Z');

function aBook(store: MemoryStore, consumers: string[] = ['timescale'], generation = 'a'): AlertBook {
  const book = new AlertBook(DEFAULT_RULES, store, { outbox: { consumers, generation } });
  book.load();
  return book;
}

async function turn(book: AlertBook, store: MemoryStore): Promise<void> {
  book.flush();
  await store.commit();
}

/** Meters of everything from the position on, and where it ends. */
function readAll(outbox: AlertOutbox, position: string | null, consumer = 'timescale', max = 2): { meters: string[]; position: string } {
  const meters: string[] = [];
  for (;;) {
    const piece = outbox.read(consumer, position, max);
    meters.push(...piece.alerts.map(({ meterId, state }) => `${meterId} ${state}`));
    position = piece.position;
    if (piece.isLast) return { meters, position };
  }
}

describe('the outbox of alerts', () => {
  it('gives everything first, then what changes, as it is when it is read', async () => {
    const store = new MemoryStore();
    const book = aBook(store);
    for (const meterId of ['m1', 'm2', 'm3']) book.apply(raised({ meterId }), T);
    book.apply(cleared({ meterId: 'm1' }), T + 1);
    for (let i = 0; i < 3; i++) await turn(book, store);
    const first = readAll(book.outbox, null);
    expect(first.meters[0]).toBe('m1 resolved');
    expect(first.meters.sort()).toEqual(['m1 resolved', 'm2 open', 'm3 open']);
    expect(readAll(book.outbox, first.position)).toEqual({ meters: [], position: first.position });
    book.apply(raised({ meterId: 'm2', value: 2 }), T + 2);
    await turn(book, store);
    book.apply(cleared({ meterId: 'm2' }), T + 3);
    await turn(book, store);
    expect(book.outbox.read('timescale', first.position, 10)).toMatchObject({ alerts: [{ meterId: 'm2', state: 'resolved' }], isLast: true });
  });

  it('goes on where the consumer is, over a restart, and begins anew for a position of another outbox', async () => {
    const store = new MemoryStore();
    let book = aBook(store);
    book.apply(raised({ meterId: 'm1' }), T);
    await turn(book, store);
    const { position } = readAll(book.outbox, null);
    book.outbox.acknowledge('timescale', position);
    await turn(book, store);
    book = aBook(store, ['timescale'], 'b');
    expect(readAll(book.outbox, null).meters).toEqual([]);
    expect(readAll(book.outbox, position).meters).toEqual([]);
    for (const other of ['beginning', 'b.c.1', 'a.c.99', 'a.x.1', 'nonsense']) expect(readAll(book.outbox, other).meters).toEqual(['m1 open']);
  });

  it('forgets what all have, and of too much the oldest; who comes for that reads everything', async () => {
    const store = new MemoryStore();
    const book = aBook(store, ['timescale', 'kafka']);
    const rows = () => [...store.table('alert-outbox').keys(Buffer.from('0'), Buffer.from('~'))].length;
    for (let i = 0; i < 10; i++) {
      book.apply(raised({ meterId: 'm1', value: i }), T + i);
      await turn(book, store);
    }
    const { position } = readAll(book.outbox, null);
    book.outbox.acknowledge('timescale', position);
    book.outbox.forget();
    await turn(book, store);
    expect(rows()).toBe(10);
    const early = readAll(book.outbox, null, 'kafka').position;
    book.outbox.acknowledge('kafka', early);
    book.outbox.forget();
    await turn(book, store);
    expect(rows()).toBe(0);

    for (let i = 0; i < 10; i++) {
      book.apply(raised({ meterId: 'm1', value: 100 + i }), T + i);
      await turn(book, store);
    }
    const bounded = new AlertOutbox(store, new AlertStore(store), { consumers: ['timescale', 'kafka'], generation: 'a' }, 4);
    bounded.load();
    bounded.forget();
    bounded.flush();
    await store.commit();
    expect(rows()).toBe(4);
    expect(bounded.read('kafka', early, 10).position).toContain('.m.');
  });

  it('is none without consumers, and another after a time without', async () => {
    const store = new MemoryStore();
    let book = aBook(store);
    book.apply(raised({ meterId: 'm1' }), T);
    await turn(book, store);
    const { position } = readAll(book.outbox, null);
    book = aBook(store, []);
    expect(book.outbox.isOn).toBe(false);
    book.apply(cleared({ meterId: 'm1' }), T + 1);
    book.tick(T + 2);
    await turn(book, store);
    expect(store.table('alert-outbox').count()).toBe(0);
    book = aBook(store, ['timescale'], 'b');
    expect(readAll(book.outbox, position).meters).toEqual(['m1 resolved']);
  });
});
