import { crc32 } from 'node:zlib';
import { Packr, Unpackr } from 'msgpackr';
import { beforeAll, describe, expect, it } from 'vitest';
import { EnergyBlockEditor, QUARTERS_PER_DAY, readEnergyRow } from '../../src/actors/shard/energy-block.ts';
import { MeterDirectory } from '../../src/actors/shard/meter-pages.ts';
import { decodePage, encodePage } from '../../src/actors/shard/page-codec.ts';
import { ROW, ROW_BYTES, SLOT, SLOT_BYTES } from '../../src/actors/shard/page-layout.ts';
import { SampleIndex } from '../../src/actors/shard/sample-index.ts';
import { STORE_FORMAT } from '../../src/actors/shard/shard-store.ts';
import { sequenceKey } from '../../src/actors/shard/store-keys.ts';
import { MemoryDisk } from '../../src/runtime/memory-disk.ts';
import type { Table } from '../../src/runtime/store.ts';
import { ShardFleet } from '../support/shard-fleet.ts';
import { LIFE_START_MS, readingOf } from '../support/shard-lives.ts';

/** What `seg verify` finds in stores that somebody or something has changed: one change each, made to a healthy store. */

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false });
const options = { startMs: LIFE_START_MS, shards: 1, partitionCount: 4, latenessMs: 30_000, correctionHorizonMs: 40 * 86_400_000, intervalMs: 100, pagesPerStepMax: 128, journalKeepBytesMax: 1e9, segmentBytesMax: 1e9 };

let healthy: MemoryDisk;

beforeAll(async () => {
  const fleet = new ShardFleet(options);
  await fleet.start();
  for (let minute = 0; minute < 130; minute += 10) {
    await fleet.send([0, 1, 2, 3, 4].flatMap((meter) => Array.from({ length: 20 }, (_, i) => readingOf(meter, LIFE_START_MS + (minute * 60 + i * 30) * 1_000, { powerKw: 1 + ((meter + i) % 7) / 8, voltage: i < 15 ? 270 : 230, isError: false, regionShift: 0 }))));
    fleet.jumpClock(600_000);
    await fleet.advance(1_000);
  }
  // A conflict, and readings that no checkpoint has seen.
  await fleet.send([readingOf(0, LIFE_START_MS, { powerKw: 9, isError: false, regionShift: 0 })]);
  await fleet.advance(1_000);
  await fleet.send([readingOf(1, LIFE_START_MS + 131 * 60_000, { powerKw: 3, isError: false, regionShift: 1 })]);
  fleet.crash();
  expect(fleet.verify()).toEqual([]);
  healthy = fleet.disks[0];
});

/** What is found after the change. */
async function findings(change: (table: (name: string) => Table) => void): Promise<string[]> {
  const disk = healthy.crash();
  healthy = healthy.crash();
  // The log's only segment.
  change((name) => (name === 'log' ? disk.open(1)! : disk.tables).table(name));
  await disk.tables.commit();
  await disk.open(1)!.commit();
  const fleet = new ShardFleet(options);
  fleet.disks = [disk];
  return fleet.verify().map(({ where, problem }) => `${where} ${problem}`);
}

/** The n-th entry of a table, from the end when negative; its value is a copy. */
/** Key of the log record that the first dead letter is of. */
function recordOfLetter(letters: Table): Uint8Array {
  return entry(letters, 0).key.subarray(6, 12);
}

function entry(table: Table, n: number): { key: Uint8Array; value: Uint8Array<ArrayBuffer> } {
  const all = [...table.range(Buffer.alloc(1), Buffer.alloc(80, 255))];
  const { key, value } = all.at(n)!;
  return { key, value: new Uint8Array(value) };
}

/** Changes the n-th value of a table. */
function patch(table: Table, n: number, change: (value: Uint8Array<ArrayBuffer>, view: DataView) => void): void {
  const { key, value } = entry(table, n);
  change(value, new DataView(value.buffer));
  table.put(key, value);
}

/** Changes the first page and makes its checksum right again. */
function patchPage(table: Table, change: (view: DataView) => void): void {
  patch(table, 0, (value, view) => {
    change(view);
    view.setUint32(12, crc32(value.subarray(16), crc32(value.subarray(0, 12))), true);
  });
}

/** Changes the rows of the first page. */
function patchRows(table: Table, change: (rows: DataView) => void): void {
  const { key, value } = entry(table, 0);
  const samples = new SampleIndex();
  const page = new MeterDirectory().restorePage(0, 0);
  decodePage(value, page, samples);
  change(new DataView(page.u8.buffer, 0, page.rowCount * ROW_BYTES));
  table.put(key, encodePage(page, samples, page.snapshotSequence));
}

describe('a store that was changed', () => {
  const changes: [string, RegExp, (table: (name: string) => Table) => void][] = [
    ['a byte of a page', /^page .* fails its checksum/, (table) => patch(table('pages'), 0, (value) => (value[300] ^= 1))],
    ['a page of another format', /^page .* has format 9 /, (table) => patchPage(table('pages'), (view) => view.setUint16(4, 9, true))],
    ['a page that is no page', /is not a snapshot/, (table) => patch(table('pages'), 0, (value) => value.fill(0, 0, 4))],
    ['a page that is ahead of the log', /stands for the log up to 1000000, but the log ends at/, (table) => patchPage(table('pages'), (view) => view.setFloat64(16, 1e6, true))],
    ['a byte of a profile', /^profiles of page .* fail their checksum/, (table) => patch(table('profiles'), 0, (value) => (value[20] ^= 1))],
    ['a profile of an hour that no day has', /^profiles of page .* are of no hour of the day/, (table) => moveFirst(table('profiles'), (key) => (key[6] = 24))],
    ['a profile of no page', /^profiles of page .* belong to no page/, (table) => moveFirst(table('profiles'), (key) => (key[5] = 99))],
    ['a page of another partition', /it belongs to another partition/, (table) => moveFirst(table('pages'), (key) => (key[1] ^= 1))],
    ['a page that is gone', /belong to no page/, (table) => table('pages').remove(entry(table('pages'), 0).key)],
    ['a number of readings', /^row 0 of page .* counts \d+ readings, its windows remember \d+/, (table) => patchRows(table('pages'), (rows) => rows.setFloat64(ROW.readings, rows.getFloat64(ROW.readings, true) + 1, true))],
    ['a letter of an id', /its hash is not that of its id/, (table) => patchRows(table('pages'), (rows) => rows.setUint8(ROW.id, 0x7a))],
    ['a region of a row', /its region is not known/, (table) => patchRows(table('pages'), (rows) => rows.setUint16(ROW.region, 999, true))],
    ['when the next window closes', /its next window to close/, (table) => patchRows(table('pages'), (rows) => rows.setFloat64(ROW.nextEndMs, 5, true))],
    ['the place of an open window', /is no place for it/, (table) => patchRows(table('pages'), (rows) => setOpen(rows, SLOT.startMs, 1))],
    ['a byte of profiles', /profiles fail their checksum/, (table) => patch(table('profiles'), 0, (value) => (value[20] ^= 1))],
    ['a byte of a log record', /^log record \d+ fails its checksum/, (table) => patch(table('log'), 4, (value) => (value[40] ^= 1))],
    ['a log record that is gone', /^log record \d+ follows \d+: 1 are missing/, (table) => table('log').remove(entry(table('log'), 4).key)],
    ['the end of the log', /^the log ends at \d+, but the tables stand for it up to/, (table) => [-1, -2, -3, -4, -5, -6].forEach((n) => table('log').remove(entry(table('log'), n).key))],
    ['the beginning of the log', /is the first, but the tables stand for the log up to 0 only/, (table) => {
      table('meta').put(Buffer.from('applied'), packr.pack({ sequence: 0 }));
      table('log').remove(entry(table('log'), 1).key);
    }],
    ['a window that is gone', /counts \d+ readings, its windows remember/, (table) => table('windows').remove(entry(table('windows'), 0).key)],
    ['a count of a window', /readings (fewer|more) than its minutes/, (table) => patch(table('windows'), 0, (_, view) => view.setUint32(SLOT.count, 1, true))],
    ['a sum of a window', /is not between the lowest and the highest/, (table) => patch(table('windows'), 0, (_, view) => view.setFloat64(SLOT.powerHigh, 1e9, true))],
    ['a sum of a window that could be true', /of region r\d says .* its meters' windows say/, (table) => patch(table('windows'), 0, (_, view) => view.setFloat64(SLOT.powerLow, view.getFloat64(SLOT.powerLow, true) + 2, true))],
    ['a start of a window', /begins at another time/, (table) => patch(table('windows'), 0, (_, view) => view.setFloat64(0, 0, true))],
    ['a window cut short', /has 100 bytes/, (table) => table('windows').put(entry(table('windows'), 0).key, entry(table('windows'), 0).value.subarray(0, 100))],
    ['a sample of a window', /remembers a reading twice/, (table) => patch(table('windows'), 0, (value) => value.copyWithin(value.length - 2, value.length - 4, value.length - 2))],
    ['a block of samples that is gone', /misses \d+ samples of .* in the blocks/, (table) => table('samples').remove(entry(table('samples'), 0).key)],
    ['a sample in a block', /^a block of samples of page .* remembers a reading twice, or one of another time/, (table) => patch(table('samples'), 0, (value, view) => view.setUint16(value.length - 2, 60_001, true))],
    ['a block of samples of no page', /^the blocks of samples hold 1 that belong to no page/, (table) => moveFirst(table('samples'), (key) => (key[5] = 99))],
    ['energy of a quarter-hour', /^the energy of .* says \d+ microKwh \(1\), its window \d+ \(1\)/, (table) => editEnergy(table('energy'), (editor, quarter) => editor.set(0, quarter, 123, 1))],
    ['what is known of energy', /^the energy of .* says \d+ microKwh \(2\), its window \d+ \(1\)/, (table) => editEnergy(table('energy'), (editor, quarter, microKwh) => editor.set(0, quarter, microKwh, 2))],
    ['energy without a window', /^the energy of .* has no window, and none was removed/, (table) => editEnergy(table('energy'), (editor) => editor.set(0, 3, 5, 1))],
    ['energy that is gone', /^the energy of page .* misses \d+ quarter-hours that have windows/, (table) => table('energy').remove(entry(table('energy'), 0).key)],
    ['energy of no row', /^the energy of day .* has 64 rows, its page/, (table) => editEnergy(table('energy'), (editor, quarter) => editor.set(63, quarter, 5, 1))],
    ['energy of no page', /^the blocks of energy hold \d+ that belong to no page/, (table) => moveFirst(table('energy'), (key) => (key[5] = 99))],
    ['a block of energy cut short', /^the energy of day .* a block of energy is damaged/, (table) => table('energy').put(entry(table('energy'), 0).key, entry(table('energy'), 0).value.subarray(0, 9))],
    ['a window of no row', /belongs to no row/, (table) => moveFirst(table('windows'), (key) => (key[11] = 63))],
    ['a regional part', /of region r\d says .* its meters' windows say/, (table) => patch(table('parts'), 0, (_, view) => view.setFloat64(0, 7, true))],
    ['a regional part that is gone', /of region r\d is missing/, (table) => table('parts').remove(entry(table('parts'), 0).key)],
    ['a meter that is not in the list', /^meter m\d is missing in the list/, (table) => table('meters').remove(entry(table('meters'), 0).key)],
    ['a meter that is only in the list', /^meter nobody is in the list of meters and nowhere else/, (table) => table('meters').put(Buffer.from('nobody'), Buffer.from([1]))],
    ['an anomaly without its place by meter', /^anomaly .* is missing in the list by meter/, (table) => table('anomaliesByMeter').remove(entry(table('anomaliesByMeter'), 0).key)],
    ['an anomaly that is gone', /^the anomalies by meter name 1 that are not there/, (table) => table('anomalies').remove(entry(table('anomalies'), 0).key)],
    ['a dead letter at another place', /^dead letter .* lies at another place/, (table) => moveFirst(table('deadLetters'), (key) => (key[15] ^= 1))],
    ['an uncounted reading that its record has not', /^log record \d+ has \d+ readings, but number \d+ is said not to count/, (table) => table('uncounted').put(recordOfLetter(table('deadLetters')), Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 1]))],
    ['an uncounted reading of a record to come', /^what does not count of log record 99999 is known, but/, (table) => table('uncounted').put(sequenceKey(99_999), Buffer.from([1]))],
    ['a record of which nothing does not count', /^what does not count of log record \d+ is nothing/, (table) => table('uncounted').put(recordOfLetter(table('deadLetters')), Buffer.from([0]))],
    ['a name of a region', /^region 0 has a name that none may have/, (table) => patch(table('regions'), 0, (value) => (value[0] = 0))],
    ['the identity', /^the store holds shard 1 of 2 with 4 partitions; its files were moved/, (table) => table('meta').put(Buffer.from('identity'), packr.pack({ format: STORE_FORMAT, partitionCount: 4, shardCount: 2, shard: 1 }))],
    ['the format', new RegExp(`^the store has format 99, this engine reads ${STORE_FORMAT}`), (table) => {
      const identity = unpackr.unpack(table('meta').get(Buffer.from('identity'))!) as object;
      table('meta').put(Buffer.from('identity'), packr.pack({ ...identity, format: 99 }));
    }],
    ['an identity that is gone', /^the store says nothing of what it holds/, (table) => table('meta').remove(Buffer.from('identity'))],
  ];

  it.each(changes)('is found out: %s', async (_, expected, change) => {
    const found = await findings(change);
    expect(found.filter((text) => expected.test(text)).length, found.slice(0, 5).join('\n')).toBeGreaterThan(0);
  });

  it('is sound when nothing was changed', async () => {
    expect(await findings(() => {})).toEqual([]);
  });
});

/** Edits the first block. `edit` is given the first quarter-hour of its first row, and what that has. */
function editEnergy(table: Table, edit: (editor: EnergyBlockEditor, quarter: number, microKwh: number) => void): void {
  const { key, value } = entry(table, 0);
  const microKwh = new Float64Array(QUARTERS_PER_DAY);
  const quality = new Uint8Array(QUARTERS_PER_DAY);
  readEnergyRow(value, 0, 0, QUARTERS_PER_DAY, 0, microKwh, quality);
  const quarter = quality.findIndex((known) => known > 0);
  const editor = new EnergyBlockEditor();
  editor.load(value);
  edit(editor, quarter, microKwh[quarter]);
  table.put(key, editor.encode((length) => new Uint8Array(length)));
}

function moveFirst(table: Table, change: (key: Buffer) => void): void {
  const { key, value } = entry(table, 0);
  const moved = Buffer.from(key);
  change(moved);
  table.remove(key);
  table.put(moved, value);
}

/** Sets a number of the first open window of the page's rows. */
function setOpen(rows: DataView, offset: number, by: number): void {
  for (let row = 0; row < rows.byteLength; row += ROW_BYTES) {
    for (let s = 0; s < 4; s++) {
      const at = row + ROW.slots + s * SLOT_BYTES;
      if (Number.isNaN(rows.getFloat64(at, true))) continue;
      rows.setFloat64(at + offset, rows.getFloat64(at + offset, true) + by, true);
      return;
    }
  }
  throw new Error('no window of the page is open');
}
