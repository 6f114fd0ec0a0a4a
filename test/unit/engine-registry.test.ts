import { describe, expect, it } from 'vitest';
import { EngineRegistry } from '../../src/engine/engine-registry.ts';
import { nullLog } from '../../src/runtime/log.ts';
import { MemoryStore } from '../../src/runtime/memory-store.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { ALL, facts, id, refusal, region, START_MS, WRITE } from '../support/registry-world.ts';

function started(): { registry: EngineRegistry; store: MemoryStore; time: VirtualTime; regions: Set<string> } {
  const store = new MemoryStore();
  const time = new VirtualTime(START_MS);
  const regions = new Set(['north']);
  return { registry: new EngineRegistry({ store, clock: time, timers: time, log: nullLog, regions: () => regions }), store, time, regions };
}

const put = (registry: EngineRegistry, meterId: string, change = {}) => registry.put({ meterId: id(meterId), facts: facts(change), version: null, by: 'Ada', takesNewRegions: false });

describe('the registry of an engine', () => {
  it('goes on by itself after a full disk, and shows nothing that is not on disk', async () => {
    const { registry, store, time } = started();
    await put(registry, 'm-1');
    store.failNext('storage_full');
    expect(await refusal(put(registry, 'm-2'))).toBe('unavailable');
    expect(await refusal(put(registry, 'm-3'))).toBe('unavailable');
    expect((await registry.page(ALL)).data.map(({ meterId }) => meterId)).toEqual(['m-1']);
    await time.advanceSettled(1_000);
    await put(registry, 'm-3');
    expect((await registry.page(ALL)).data.map(({ meterId }) => meterId)).toEqual(['m-1', 'm-3']);
    await registry.stop();
    expect(await refusal(put(registry, 'm-4'))).toBe('unavailable');
  });

  it('keeps what an import wrote before the disk was full, and takes the rest when it is sent again', async () => {
    const { registry, store, time } = started();
    const rows = Array.from({ length: 1_200 }, (_, i) => ({ meterId: id(`m-${i}`), change: { region: region('north'), serial: `S${i}` } }));
    let read = 0;
    const watched = (function* () {
      for (const row of rows) {
        if (++read === 900) store.failNext('storage_full');
        yield row;
      }
    })();
    expect(await refusal(registry.importRows(watched, WRITE))).toBe('unavailable');
    await time.advanceSettled(1_000);
    const again = await registry.importRows(rows, WRITE);
    expect([again.filter(({ outcome }) => outcome === 'unchanged').length, again.filter(({ outcome }) => outcome === 'created').length]).toEqual([500, 700]);
  });

  it('knows a region from when the engine does, or from when it has a meter there', async () => {
    const { registry, regions } = started();
    expect(await refusal(put(registry, 'm-1', { region: 'west' }))).toBe('unknown_region');
    regions.add('west');
    await put(registry, 'm-1', { region: 'west' });
    regions.delete('west');
    await put(registry, 'm-2', { region: 'west' });
    // It is there, and stays as it is; only what becomes another is looked at.
    for (const meterId of ['m-1', 'm-2']) await registry.change({ meterId: id(meterId), change: { note: 'x' }, version: null, by: 'Ada' });
    await registry.remove(id('m-1'), null);
    await registry.remove(id('m-2'), null);
    expect(await refusal(put(registry, 'm-1', { region: 'west' }))).toBe('unknown_region');
  });

  it('tries an import as it would be done: what a row gives up another may take', async () => {
    const { registry } = started();
    await put(registry, 'm-1', { serial: 'A' });
    const rows = [{ meterId: id('m-1'), change: { serial: null } }, { meterId: id('m-2'), change: { region: region('north'), serial: 'a' } }, { meterId: id('m-1'), change: { serial: 'A' } }];
    for (const isDryRun of [true, false]) expect((await registry.importRows(rows, { ...WRITE, isDryRun })).map((row) => (row.outcome === 'refused' ? row.refusal.code : row.outcome))).toEqual(['updated', 'created', 'serial_taken']);
  });

  it('looks at a thousand entries for a page, and says where to go on', async () => {
    const { registry } = started();
    await registry.importRows(Array.from({ length: 2_500 }, (_, i) => ({ meterId: id(`m-${String(i).padStart(4, '0')}`), change: { region: region('north'), customerClass: i === 2_400 ? 'rare' : 'common', address: { city: 'Bonn' } } })), WRITE);
    const pages: [number, string | null][] = [];
    let cursor: string | null = null;
    do {
      const page: { data: unknown[]; nextCursor: string | null } = await registry.page({ ...ALL, text: 'bonn', customerClass: 'rare', cursor });
      pages.push([page.data.length, page.nextCursor]);
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(pages).toEqual([[0, '3.c/bonn/m-0999'], [0, '3.c/bonn/m-1999'], [1, null]]);
  });
});
