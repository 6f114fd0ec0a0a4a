import type { WindowQuery } from '../../model/queries.ts';
import { unpackWindows, WindowBlockBuilder } from '../../model/window-block.ts';
import { GRANULARITIES, GRANULARITY_MS, type MeterWindow } from '../../model/window.ts';
import { NO_ROW, rowInPage, rowOffset, type MeterPage } from './meter-pages.ts';
import { SLOTS_PER_GRANULARITY, slotOffset } from './page-layout.ts';
import { pendingKeyParts, type PendingWindows } from './pending-windows.ts';
import type { ShardWindowBlock, ShardWindowsPage } from './protocol.ts';
import type { ShardStore } from './shard-store.ts';
import type { ShardState } from './state.ts';
import { setWindowKeyNumber, windowKey, windowKeyParts } from './store-keys.ts';
import { emptyWindow, readWindow, slotToWindow, WindowRecord, type WindowNames } from './window-accumulator.ts';

/** Looks into the store that one question takes, at most: of a meter that sends seldom, beside others that send often, the page is short and the cursor goes on. */
const LOOKS_MAX = 20_000;

/** Windows `first` to `last` of one row, `limit` of them at most. */
interface Asked {
  row: number;
  page: MeterPage;
  granularity: number;
  lengthMs: number;
  first: number;
  last: number;
  limit: number;
  names: WindowNames;
}

/** One meter's windows, in order of their start: closed ones from store and memory, open ones from its row. */
export class MeterWindows {
  private readonly state: ShardState;
  private readonly store: ShardStore;
  private readonly record = new WindowRecord();
  /** The record, as a window. */
  private readonly window = emptyWindow();
  private readonly block = new WindowBlockBuilder();

  constructor(state: ShardState, store: ShardStore) {
    this.state = state;
    this.store = store;
  }

  page(meterId: string, query: WindowQuery): ShardWindowsPage | null {
    const packed = this.packedPage(meterId, query);
    return packed === null ? null : { data: unpackWindows(packed.windows.buffer), nextCursor: packed.nextCursor, keptFrom: packed.keptFrom };
  }

  /** The same in one piece of memory. null: no such meter. The cursor is the next window's number. */
  packedPage(meterId: string, query: WindowQuery): ShardWindowBlock | null {
    const { directory, ledger } = this.state;
    const row = directory.rowOf(meterId);
    if (row === NO_ROW) return null;
    const page = directory.pages[row >>> 6];
    const granularity = GRANULARITIES.indexOf(query.granularity);
    const lengthMs = GRANULARITY_MS[query.granularity];
    const first = query.cursor === null ? Math.ceil(query.from / lengthMs) : Number(query.cursor);
    const last = Math.ceil(query.to / lengthMs) - 1;
    const asked: Asked = { row, page, granularity, lengthMs, first, last, limit: query.limit, names: { meterId: directory.idOf(row), region: (index) => ledger.nameOf(index) } };
    // A question that failed half way has left what it found.
    this.block.clear();
    const next = this.pack(asked);
    return { windows: new Uint8Array(this.block.finish()), nextCursor: next === null ? null : String(next), keptFrom: page.removed?.endMs(rowInPage(row), granularity) ?? 0 };
  }

  /**
   * Puts the windows into the block. Gives the number of the first that has no place any more, or of the first that was not looked for; null: those are all.
   *
   * From the store at their keys as long as one window follows the other, and past a gap seeking from one to the next, since the windows of a page's meters lie side by side (a seek costs three times as much).
   */
  private pack(asked: Asked): number | null {
    const { row, page, granularity, last } = asked;
    const held = this.inMemory(asked);
    const place = rowInPage(row);
    const key = windowKey(page.partition, page.number, granularity, 0, place);
    const end = windowKey(page.partition, page.number, granularity, last + 1, 0);
    let number = asked.first;
    let follows = true;
    for (let looks = 0; number <= last; looks++) {
      if (looks >= LOOKS_MAX) return this.packHeld(held, number, asked) ?? number;
      setWindowKeyNumber(key, number);
      let stored = follows ? this.store.windows.get(key) : undefined;
      if (stored === undefined) {
        const [entry] = [...this.store.windows.range(key, end, { limit: 1 })];
        if (entry === undefined) break;
        const { windowNumber, rowInPage: entryPlace } = windowKeyParts(entry.key);
        follows = entryPlace === place;
        number = entryPlace <= place ? windowNumber : windowNumber + 1;
        if (!follows) continue;
        stored = entry.value;
      }
      const full = this.packHeld(held, number, asked) ?? this.packStored(stored, number, held, asked);
      if (full !== null) return full;
      number++;
    }
    return this.packHeld(held, Infinity, asked);
  }

  /** Those of `held` before window `number`, which it then has no longer. Gives the number of the first without a place. */
  private packHeld(held: HeldWindows, number: number, { limit, lengthMs }: Asked): number | null {
    for (let window = held.next; window !== undefined && window.windowStart < number * lengthMs; window = held.next) {
      if (this.block.count === limit) return window.windowStart / lengthMs;
      this.block.add(window);
      held.taken++;
    }
    return null;
  }

  /** A record from the store, unless memory has what counts in its place. Gives its number when there is no place. */
  private packStored(stored: Uint8Array, number: number, held: HeldWindows, { limit, lengthMs, granularity, names }: Asked): number | null {
    if (held.next?.windowStart === number * lengthMs) return null;
    const { record, window } = this;
    record.load(stored);
    if (!readWindow(window, record, 0, granularity, names, true, record.revision)) return null;
    if (this.block.count === limit) return number;
    this.block.add(window);
    return null;
  }

  /** What waits to be written, which counts in the place of what is on disk, and open windows. */
  private inMemory(asked: Asked): HeldWindows {
    const held = new HeldWindows();
    this.addPending(asked, asked.page.flushing, held);
    this.addPending(asked, asked.page.pending, held);
    this.addOpen(asked, held);
    return held;
  }

  private addPending({ row, granularity, first, last, names }: Asked, windows: PendingWindows | null, held: HeldWindows): void {
    if (windows === null) return;
    const { record } = this;
    const place = rowInPage(row);
    for (let i = 0; i < windows.count; i++) {
      const key = pendingKeyParts(windows.keyAt(i));
      if (key.rowInPage !== place || key.granularity !== granularity || key.windowNumber < first || key.windowNumber > last) continue;
      record.load(windows.recordAt(i));
      held.put(slotToWindow(record, 0, granularity, names, true, record.revision));
    }
  }

  private addOpen({ row, page, granularity, lengthMs, first, last, names }: Asked, held: HeldWindows): void {
    for (let s = 0; s < SLOTS_PER_GRANULARITY; s++) {
      const at = rowOffset(row) + slotOffset(granularity, s);
      const number = page.f64[at >> 3] / lengthMs;
      // NaN, an empty slot, fails both comparisons.
      if (!(number >= first && number <= last)) continue;
      // One that was passed is what its record will be: nothing counts in it any more.
      const final = this.state.book.isClosed(page, row, granularity, (number + 1) * lengthMs);
      held.put(slotToWindow(page, at, granularity, names, final, 0));
    }
  }
}

/** A meter's windows in memory by their start, each once: the last that was put counts. They come in order, but for a few. */
class HeldWindows {
  /** Of the first ones. */
  taken = 0;
  private readonly windows: MeterWindow[] = [];

  get next(): MeterWindow | undefined {
    return this.windows[this.taken];
  }

  put(window: MeterWindow | null): void {
    if (window === null) return;
    const { windows } = this;
    let at = windows.length;
    while (at > 0 && windows[at - 1].windowStart > window.windowStart) at--;
    if (at > 0 && windows[at - 1].windowStart === window.windowStart) windows[at - 1] = window;
    else if (at === windows.length) windows.push(window);
    else windows.splice(at, 0, window);
  }
}
