import type { WindowQuery } from '../../model/queries.ts';
import { WindowBlockBuilder } from '../../model/window-block.ts';
import { GRANULARITIES, GRANULARITY_MS, type MeterWindow } from '../../model/window.ts';
import { NO_ROW, rowInPage, rowOffset, type MeterPage } from './meter-pages.ts';
import { SLOTS_PER_GRANULARITY, slotOffset } from './page-layout.ts';
import { pendingKeyParts, type PendingWindows } from './pending-windows.ts';
import type { ShardWindowBlock, ShardWindowsPage } from './protocol.ts';
import type { ShardStore } from './shard-store.ts';
import type { ShardState } from './state.ts';
import { setWindowKeyNumber, windowKey, windowKeyParts } from './store-keys.ts';
import { slotToWindow, WindowRecord } from './window-accumulator.ts';

/** Looks into the store that one question takes, at most: of a meter that sends seldom, beside others that send often, the page is short and the cursor goes on. */
const LOOKS_MAX = 20_000;

/** Windows `first` to `last` of one row. */
interface Asked {
  row: number;
  page: MeterPage;
  granularity: number;
  first: number;
  last: number;
  names: Parameters<typeof slotToWindow>[3];
}

/** One meter's windows, in order of their start: closed ones from store and memory, open ones from its row. */
export class MeterWindows {
  private readonly state: ShardState;
  private readonly store: ShardStore;
  private readonly record = new WindowRecord();
  private readonly block = new WindowBlockBuilder();

  constructor(state: ShardState, store: ShardStore) {
    this.state = state;
    this.store = store;
  }

  /** null: no such meter. The cursor is the next window's number. */
  page(meterId: string, query: WindowQuery): ShardWindowsPage | null {
    const { directory, ledger } = this.state;
    const row = directory.rowOf(meterId);
    if (row === NO_ROW) return null;
    const page = directory.pages[row >>> 6];
    const granularity = GRANULARITIES.indexOf(query.granularity);
    const length = GRANULARITY_MS[query.granularity];
    const first = query.cursor === null ? Math.ceil(query.from / length) : Number(query.cursor);
    const last = Math.ceil(query.to / length) - 1;
    const asked: Asked = { row, page, granularity, first, last, names: { meterId: directory.idOf(row), region: (index) => ledger.nameOf(index) } };
    const found = new OrderedWindows();
    const more = this.addStored(asked, query.limit + 1, found);
    this.addPending(asked, page.flushing, found);
    this.addPending(asked, page.pending, found);
    this.addOpen(asked, found);
    // What the store was not asked for must not be jumped over by what memory has after it.
    if (more !== null) found.cutFrom(more * length);
    const past = found.windows[query.limit];
    const next = past === undefined ? more : past.windowStart / length;
    found.cutTo(query.limit);
    return { data: found.windows, nextCursor: next === null ? null : String(next), keptFrom: page.removed?.endMs(rowInPage(row), granularity) ?? 0 };
  }

  /** The same in one piece of memory. */
  packedPage(meterId: string, query: WindowQuery): ShardWindowBlock | null {
    const page = this.page(meterId, query);
    if (page === null) return null;
    for (const window of page.data) this.block.add(window);
    return { windows: new Uint8Array(this.block.finish()), nextCursor: page.nextCursor, keptFrom: page.keptFrom };
  }

  /**
   * From the store: at their keys as long as one window follows the other, and past a gap seeking from one to the next, since the windows of a page's meters lie side by side (a seek costs three times as much). Returns
   * the number at which it stopped early, or null when it reached the end.
   */
  private addStored(asked: Asked, limit: number, found: OrderedWindows): number | null {
    const { row, page, granularity, last } = asked;
    const place = rowInPage(row);
    const key = windowKey(page.partition, page.number, granularity, 0, place);
    const end = windowKey(page.partition, page.number, granularity, last + 1, 0);
    let number = asked.first;
    let follows = true;
    for (let looks = 0; number <= last; looks++) {
      if (found.windows.length >= limit || looks >= LOOKS_MAX) return number;
      setWindowKeyNumber(key, number);
      const stored = follows ? this.store.windows.get(key) : undefined;
      if (stored !== undefined) {
        this.addRecord(asked, stored, found);
        number++;
        continue;
      }
      const [entry] = [...this.store.windows.range(key, end, { limit: 1 })];
      if (entry === undefined) return null;
      const { windowNumber, rowInPage: entryPlace } = windowKeyParts(entry.key);
      follows = entryPlace === place;
      if (follows) this.addRecord(asked, entry.value, found);
      number = entryPlace < place ? windowNumber : windowNumber + 1;
    }
    return null;
  }

  /** From what waits to be written, which counts in the place of what is on disk. */
  private addPending(asked: Asked, windows: PendingWindows | null, found: OrderedWindows): void {
    if (windows === null) return;
    const place = rowInPage(asked.row);
    for (let i = 0; i < windows.count; i++) {
      const key = pendingKeyParts(windows.keyAt(i));
      if (key.rowInPage === place && key.granularity === asked.granularity && key.windowNumber >= asked.first && key.windowNumber <= asked.last) this.addRecord(asked, windows.recordAt(i), found);
    }
  }

  private addOpen({ row, page, granularity, first, last, names }: Asked, found: OrderedWindows): void {
    const length = GRANULARITY_MS[GRANULARITIES[granularity]];
    for (let s = 0; s < SLOTS_PER_GRANULARITY; s++) {
      const at = rowOffset(row) + slotOffset(granularity, s);
      const number = page.f64[at >> 3] / length;
      // NaN, an empty slot, fails both comparisons.
      if (!(number >= first && number <= last)) continue;
      // One that was passed is what its record will be: nothing counts in it any more.
      const final = this.state.book.isClosed(page, row, granularity, (number + 1) * length);
      const window = slotToWindow(page, at, granularity, names, final, 0);
      if (window !== null) found.put(window);
    }
  }

  private addRecord({ granularity, names }: Asked, stored: Uint8Array, found: OrderedWindows): void {
    this.record.load(stored);
    const window = slotToWindow(this.record, 0, granularity, names, true, this.record.revision);
    if (window !== null) found.put(window);
  }
}

/** Windows of one meter by their start, each once: the last that was put counts. They come in order, but for a few. */
class OrderedWindows {
  readonly windows: MeterWindow[] = [];

  put(window: MeterWindow): void {
    const { windows } = this;
    let at = windows.length;
    while (at > 0 && windows[at - 1].windowStart > window.windowStart) at--;
    if (at > 0 && windows[at - 1].windowStart === window.windowStart) windows[at - 1] = window;
    else if (at === windows.length) windows.push(window);
    else windows.splice(at, 0, window);
  }

  /** Leaves those that begin before `startMs`. */
  cutFrom(startMs: number): void {
    let count = this.windows.length;
    while (count > 0 && this.windows[count - 1].windowStart >= startMs) count--;
    this.cutTo(count);
  }

  cutTo(count: number): void {
    if (this.windows.length > count) this.windows.length = count;
  }
}
