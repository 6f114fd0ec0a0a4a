import type { Store, Table } from '../../runtime/store.ts';
import { EnergyBlockEditor, QUARTERS_PER_DAY } from './energy-block.ts';
import type { MeterPage } from './meter-pages.ts';
import { pendingKeyParts, type PendingWindows } from './pending-windows.ts';
import { energyKey, windowKey, windowKeyParts } from './store-keys.ts';
import { slotMicroKwh, slotQuality, WindowRecord } from './window-accumulator.ts';

/**
 * The quarter-hours' windows as energy in the store. Blocks are written in the transaction of the windows that they follow from, so that both are always of the same position in the log.
 */

const QUARTER_HOUR = 1;
/** Windows that are read at once when blocks are made of a store's. */
const WINDOWS_PER_READ = 2_000;
/** Blocks between two commits: about a megabyte. */
const BLOCKS_PER_STEP = 64;

/** One a thread: a shard's steps, and those of a thread's partitions, come one after another. */
const editor = new EnergyBlockEditor();
const record = new WindowRecord();

/** What of a shard's store this is about. */
export interface EnergyTables extends Pick<Store, 'commit'> {
  readonly pages: Table;
  readonly windows: Table;
  readonly energy: Table;
  energyBlock(page: MeterPage, day: number): Uint8Array | undefined;
}

/** Queues the page's blocks as the windows, which are about to be written, change them. `allocate`: memory that stays until the commit. */
export function writeEnergy(page: MeterPage, windows: PendingWindows, store: EnergyTables, allocate: (length: number) => Uint8Array): void {
  for (const [day, positions] of quarterHoursByDay(windows)) {
    editor.load(store.energyBlock(page, day));
    for (const position of positions) {
      const { windowNumber, rowInPage } = pendingKeyParts(windows.keyAt(position));
      edit(editor, record, windowNumber, rowInPage, windows.recordAt(position));
    }
    store.energy.put(energyKey(page.partition, page.number, day), editor.encode(allocate));
  }
}

/** Positions of the quarter-hours' windows by UTC day. */
function quarterHoursByDay(windows: PendingWindows): Map<number, number[]> {
  const byDay = new Map<number, number[]>();
  for (let position = 0; position < windows.count; position++) {
    const { granularity, windowNumber } = pendingKeyParts(windows.keyAt(position));
    if (granularity !== QUARTER_HOUR) continue;
    const day = dayOf(windowNumber);
    const positions = byDay.get(day);
    if (positions === undefined) byDay.set(day, [position]);
    else positions.push(position);
  }
  return byDay;
}

function edit(editor: EnergyBlockEditor, record: WindowRecord, windowNumber: number, rowInPage: number, bytes: Uint8Array): void {
  record.load(bytes);
  editor.set(rowInPage, windowNumber - dayOf(windowNumber) * QUARTERS_PER_DAY, slotMicroKwh(record, 0), slotQuality(record, 0));
}

function dayOf(windowNumber: number): number {
  return Math.floor(windowNumber / QUARTERS_PER_DAY);
}

/** Makes the blocks of all the windows that there are, for a store of an engine that kept none; may be broken off and begun again. Resolves with how many it made. */
export async function buildEnergy(store: EnergyTables): Promise<number> {
  let blocks = 0;
  // Of its own: other partitions of the thread may be at it, too.
  const editor = new EnergyBlockEditor();
  const record = new WindowRecord();
  for (const key of [...store.pages.keys(Buffer.alloc(1), Buffer.alloc(8, 255))]) {
    const name = Buffer.from(key);
    const [partition, page] = [name.readUInt16BE(0), name.readUInt32BE(2)];
    let day = -1;
    const put = (): void => {
      if (day < 0) return;
      store.energy.put(energyKey(partition, page, day), editor.encode((length) => new Uint8Array(length)));
      blocks++;
    };
    for (const entries of quarterHoursOf(store, partition, page)) {
      for (const { key: windowKey, value } of entries) {
        const { windowNumber, rowInPage } = windowKeyParts(windowKey);
        if (dayOf(windowNumber) !== day) {
          put();
          day = dayOf(windowNumber);
          // One that is there may hold more than the windows do: an engine that kept no energy may have removed some since.
          editor.load(store.energy.get(energyKey(partition, page, day))?.slice());
          if (blocks % BLOCKS_PER_STEP === 0) await store.commit();
        }
        edit(editor, record, windowNumber, rowInPage, value);
      }
    }
    put();
  }
  await store.commit();
  return blocks;
}

/** The page's windows of quarter-hours, in pieces, in order. */
function* quarterHoursOf(store: EnergyTables, partition: number, page: number): Generator<{ key: Uint8Array; value: Uint8Array }[]> {
  const end = windowKey(partition, page, QUARTER_HOUR + 1, 0, 0);
  let from: Uint8Array = windowKey(partition, page, QUARTER_HOUR, 0, 0);
  for (;;) {
    const entries = [...store.windows.range(from, end, { limit: WINDOWS_PER_READ })];
    if (entries.length > 0) yield entries;
    if (entries.length < WINDOWS_PER_READ) return;
    from = Buffer.concat([entries[entries.length - 1].key, Buffer.alloc(1)]);
  }
}
