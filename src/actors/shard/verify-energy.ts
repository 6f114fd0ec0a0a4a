import { QUARTER_MS } from '../../model/energy.ts';
import { energyRows, QUARTERS_PER_DAY, readEnergyRow } from './energy-block.ts';
import type { MeterPage } from './meter-pages.ts';
import { ROWS_PER_PAGE, SLOT_BYTES } from './page-layout.ts';
import type { ShardStore } from './shard-store.ts';
import { energyKey, energyKeyDay, windowKey, windowKeyParts } from './store-keys.ts';
import type { Findings } from './verify-findings.ts';
import { slotMicroKwh, slotQuality, WindowRecord } from './window-accumulator.ts';

const QUARTER_HOUR = 1;
const DAYS_MAX = 2 ** 32 - 1;

const microKwh = new Float64Array(ROWS_PER_PAGE * QUARTERS_PER_DAY);
const quality = new Uint8Array(ROWS_PER_PAGE * QUARTERS_PER_DAY);
const record = new WindowRecord();

/** Holds a page's energy against its windows of 15 minutes: each says what its window does, and only where windows were removed it has none. Returns how many blocks the page has. */
export function verifyEnergy(page: MeterPage, store: ShardStore, where: string, findings: Findings): number {
  const { partition, number } = page;
  let blocks = 0;
  let matched = 0;
  for (const { key, value } of store.energy.range(energyKey(partition, number, 0), energyKey(partition, number, DAYS_MAX))) {
    blocks++;
    const day = energyKeyDay(key);
    findings.try(`the energy of day ${day} of ${where}`, () => (matched += verifyDay(page, store, day, value, where, findings)));
  }
  let windows = 0;
  for (const { value } of store.windows.range(windowKey(partition, number, QUARTER_HOUR, 0, 0), windowKey(partition, number, QUARTER_HOUR + 1, 0, 0))) if (isCounted(value)) windows++;
  if (windows > matched) findings.add(`the energy of ${where}`, `misses ${windows - matched} quarter-hours that have windows`);
  return blocks;
}

/** Returns how many windows of the day are in the block. */
function verifyDay(page: MeterPage, store: ShardStore, day: number, block: Uint8Array, where: string, findings: Findings): number {
  const rows = energyRows(block);
  if (rows > page.rowCount) throw new Error(`has ${rows} rows, its page ${page.rowCount}`);
  quality.fill(0);
  for (let row = 0; row < rows; row++) readEnergyRow(block, row, 0, QUARTERS_PER_DAY, row * QUARTERS_PER_DAY, microKwh, quality);
  const first = day * QUARTERS_PER_DAY;
  let matched = 0;
  for (const { key, value } of store.windows.range(windowKey(page.partition, page.number, QUARTER_HOUR, first, 0), windowKey(page.partition, page.number, QUARTER_HOUR, first + QUARTERS_PER_DAY, 0))) {
    if (!isCounted(value)) continue;
    const { windowNumber, rowInPage } = windowKeyParts(key);
    const at = rowInPage * QUARTERS_PER_DAY + windowNumber - first;
    record.load(value);
    // One that is missing is counted.
    if (quality[at] === 0) continue;
    const [want, known] = [slotMicroKwh(record, 0), slotQuality(record, 0)];
    if (microKwh[at] !== want || quality[at] !== known) findings.add(nameOf(windowNumber, rowInPage, where), `says ${microKwh[at]} microKwh (${quality[at]}), its window ${want} (${known})`);
    quality[at] = 0;
    matched++;
  }
  for (let at = 0; at < rows * QUARTERS_PER_DAY; at++) {
    if (quality[at] === 0) continue;
    const row = Math.floor(at / QUARTERS_PER_DAY);
    const windowNumber = first + (at % QUARTERS_PER_DAY);
    const isGone = page.removed !== null && windowNumber < page.removed.beforeOf(row, QUARTER_HOUR);
    if (!isGone) findings.add(nameOf(windowNumber, row, where), 'has no window, and none was removed');
  }
  return matched;
}

/** Broken windows are found elsewhere. */
function isCounted(value: Uint8Array): boolean {
  if (value.length < SLOT_BYTES) return false;
  record.load(value);
  return record.count > 0;
}

function nameOf(windowNumber: number, row: number, where: string): string {
  return `the energy of ${new Date(windowNumber * QUARTER_MS).toISOString()} of row ${row} of ${where}`;
}
