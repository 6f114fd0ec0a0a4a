import { describe, expect, test } from 'vitest';
import { finish, makeDelivery, type DeliveryRecord } from '../../src/actors/notifications/deliveries.ts';
import { listDeliveries } from '../../src/actors/notifications/delivery-questions.ts';
import { DELIVERY_KEPT_MS, DeliveryStore, REMOVED_PER_STEP } from '../../src/actors/notifications/delivery-store.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { noticeOf } from '../support/notifications-world.ts';

const NOW = Date.UTC(2026, 6, 15, 12);
const everything = { contactId: null, alertId: null, channel: null, state: null, from: 0, to: Number.MAX_SAFE_INTEGER, limit: 10_000, cursor: null };

async function filled(count: number, finished: (i: number) => boolean, at: (i: number) => number): Promise<{ memory: MemoryStore; store: DeliveryStore }> {
  const memory = new MemoryStore({ takeCommit: async () => {} });
  const store = new DeliveryStore(memory);
  for (let i = 0; i < count; i++) {
    const notice = noticeOf(`g${i}`, 1, []);
    const record = makeDelivery(notice, 'ann', { channels: ['sms'], end: null, receipts: [] }, at(i));
    if (finished(i)) finish(record, 'sent', at(i));
    store.putNotice(notice, at(i));
    store.put(record, true);
  }
  await memory.commit();
  store.committed();
  return { memory, store };
}

describe('what is kept', () => {
  test('a start reads the ones that are not finished', async () => {
    const { memory, store } = await filled(5, (i) => i % 2 === 0, () => NOW);
    expect([...store.loadOpen()].map(({ noticeId }) => noticeId)).toEqual(['g1/1', 'g3/1']);
    const record = store.delivery('g1/1/ann') as DeliveryRecord;
    finish(record, 'failed', NOW);
    store.put(record, false);
    await memory.commit();
    expect([...store.loadOpen()].map(({ noticeId }) => noticeId)).toEqual(['g3/1']);
    expect(store.delivery('g1/1/ann')!.state).toBe('failed');
  });

  test('old ones go in steps with their notices and all rows, those that are not finished stay', async () => {
    const count = REMOVED_PER_STEP + 20;
    const { memory, store } = await filled(count, (i) => i !== 7, (i) => NOW + i);
    const later = NOW + DELIVERY_KEPT_MS + count - 5;
    expect(store.notice('g6/1')).not.toBe(null);
    let steps = 0;
    while (store.removeOld(later)) {
      steps++;
      await memory.commit();
    }
    await memory.commit();
    store.removeOld(later);
    await memory.commit();
    expect(steps).toBeGreaterThan(0);
    const left = ['g7/1', ...Array.from({ length: 5 }, (_, i) => `g${count - 5 + i}/1`)];
    expect(listDeliveries(store, everything).data.map(({ noticeId }) => noticeId)).toEqual([...left].reverse());
    expect(listDeliveries(store, { ...everything, contactId: 'ann' }).data.length).toBe(6);
    expect([store.notice('g6/1'), [...store.noticesOf('alert-g6')]]).toEqual([null, []]);
    expect([store.notice('g7/1') === null, [...store.noticesOf('alert-g7')].length]).toEqual([false, 1]);
  });

  test('the oldest go when there are too many', async () => {
    const { memory, store } = await filled(30, () => true, (i) => NOW + i);
    while (store.removeOld(NOW + 100, 10)) await memory.commit();
    await memory.commit();
    expect(listDeliveries(store, everything).data.map(({ noticeId }) => noticeId).at(-1)).toBe('g20/1');
    expect(store.count()).toBe(10);
    expect([store.notice('g19/1') === null, store.notice('g20/1') === null]).toEqual([true, false]);
  });

  test('a notice that reached nobody is kept as long', async () => {
    const { memory, store } = await filled(0, () => true, () => NOW);
    store.putNotice(noticeOf('g', 1, []), NOW);
    await memory.commit();
    store.removeOld(NOW + DELIVERY_KEPT_MS - 1);
    await memory.commit();
    expect(store.notice('g/1')).not.toBe(null);
    store.removeOld(NOW + DELIVERY_KEPT_MS + 1);
    await memory.commit();
    expect([store.notice('g/1'), [...store.noticesOf('alert-g')]]).toEqual([null, []]);
  });

  test('a notice is known by all alerts that it tells of, and forgotten by all', async () => {
    const { memory, store } = await filled(0, () => true, () => NOW);
    const others = Array.from({ length: 980 }, (_, i) => `other-${i}`);
    for (let i = 1; i <= 12; i++) store.putNotice({ ...noticeOf('g', i, []), others, alertCount: 981 }, NOW + i);
    await memory.commit();
    for (const id of ['alert-g', 'other-0', 'other-979']) expect([...store.noticesOf(id)].length).toBe(12);
    let steps = 1;
    for (; store.removeOld(NOW + DELIVERY_KEPT_MS + 100); steps++) await memory.commit();
    await memory.commit();
    expect(['alert-g', 'other-0', 'other-979'].flatMap((id) => [...store.noticesOf(id)])).toEqual([]);
    // Not all at once: each step is a few milliseconds.
    expect(steps).toBeGreaterThan(2);
  });

  test('who was told is known before it is committed, by group, whatever others are called', async () => {
    const memory = new MemoryStore({ takeCommit: async () => {} });
    const store = new DeliveryStore(memory);
    store.markTold('g', 'ann', NOW);
    store.markTold('g', 'bob', NOW);
    store.markTold('g2', 'cid', NOW);
    expect([store.wasTold('g', 'ann'), store.wasTold('g', 'cid'), store.toldOf('g')]).toEqual([true, false, ['ann', 'bob']]);
    await memory.commit();
    store.committed();
    store.forgetTold('g', 'ann');
    expect([store.wasTold('g', 'ann'), store.toldOf('g')]).toEqual([false, ['bob']]);
    await memory.commit();
    store.committed();
    expect([store.wasTold('g', 'ann'), store.toldOf('g'), store.toldOf('g2')]).toEqual([false, ['bob'], ['cid']]);
  });

  test('lists of an alert do not mix notices whose names begin alike', async () => {
    const memory = new MemoryStore({ takeCommit: async () => {} });
    const store = new DeliveryStore(memory);
    for (const [group, number] of [['g', 1], ['g/1', 2], ['g', 10]] as const) {
      const notice = noticeOf(group, number, []);
      store.putNotice(notice, NOW);
      for (const contactId of ['ann', 'bob']) store.put(makeDelivery(notice, contactId, { channels: ['sms'], end: null, receipts: [] }, NOW), true);
    }
    await memory.commit();
    expect(listDeliveries(store, { ...everything, alertId: 'alert-g' }).data.map(({ id }) => id)).toEqual(['g/10/bob', 'g/10/ann', 'g/1/bob', 'g/1/ann']);
    expect([...store.ofNotice('g/1')].map(({ id }) => id)).toEqual(['g/1/ann', 'g/1/bob']);
  });
});
