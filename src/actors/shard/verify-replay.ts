import { NO_ROW, rowOffset, type MeterPage } from './meter-pages.ts';
import { ROW } from './page-layout.ts';
import { pendingKey, pendingKeyParts } from './pending-windows.ts';
import { murmur2 } from '../../model/ids.ts';
import type { Table } from '../../runtime/store.ts';
import { RegionLedger, type LedgerPart } from './region-ledger.ts';
import { decodePart, type ShardStore } from './shard-store.ts';
import type { ShardState } from './state.ts';
import { partKeyParts, windowKey, windowKeyParts } from './store-keys.ts';
import { steps } from './table-steps.ts';
import type { Findings } from './verify-findings.ts';
import { WINDOW_MS } from './verify-rows.ts';
import { slotContribution, WindowRecord } from './window-accumulator.ts';

const ENTRIES_PER_STEP = 2_000;

/** Holds the regional parts and the list of meters against windows and rows, once the log was replayed in memory. */
export function verifyReplayed(state: ShardState, store: ShardStore, findings: Findings, onStep: (entries: number) => void): void {
  verifyMeters(state, store, findings, onStep);
  verifyParts(state, store, findings, onStep);
}

function verifyMeters(state: ShardState, store: ShardStore, findings: Findings, onStep: (entries: number) => void): void {
  const { directory } = state;
  const listed = new Uint8Array(directory.pages.length * 64);
  for (const entries of steps(store.meters, ENTRIES_PER_STEP)) {
    for (const { key } of entries) {
      const row = directory.find(murmur2(key, 0, key.length), key, 0, key.length);
      if (row === NO_ROW) findings.add(`meter ${Buffer.from(key).toString('latin1')}`, 'is in the list of meters and nowhere else');
      else listed[row] = 1;
    }
    onStep(entries.length);
  }
  for (const row of state.newRows) listed[row] = 1;
  for (const page of directory.pages) {
    for (let r = 0; r < page.rowCount; r++) {
      const row = page.rowAt(r);
      const at = rowOffset(row);
      const id = page.u8.subarray(at + ROW.id, at + ROW.id + page.u8[at + ROW.idLength]);
      if (directory.find(page.u32[(at + ROW.hash) >> 2], id, 0, id.length) !== row) findings.add(`meter ${directory.idOf(row)}`, 'has two rows');
      else if (listed[row] === 0) findings.add(`meter ${directory.idOf(row)}`, 'is missing in the list of meters');
    }
  }
}

/** Adds every closed window up anew. Holds all parts in memory: some 200 bytes for each region and window. */
function verifyParts(state: ShardState, store: ShardStore, findings: Findings, onStep: (entries: number) => void): void {
  const sums = new RegionLedger(Infinity, () => undefined);
  for (let region = 0; region < state.ledger.regionCount; region++) sums.restore(state.ledger.nameOf(region));
  for (const part of storedParts(store.settled, onStep)) sums.merge(part);
  for (const page of state.directory.pages) addWindows(page, store, sums, onStep);
  const expected = new Map([...sums.partsInMemory()].map((part) => [nameOf(part), part]));
  const actual = new Map<string, LedgerPart>();
  for (const part of storedParts(store.parts, onStep)) actual.set(nameOf(part), part);
  for (const part of state.ledger.partsInMemory()) actual.set(nameOf(part), part);
  for (const [name, part] of actual) {
    const sum = expected.get(name);
    expected.delete(name);
    if (sum === undefined ? part.meters !== 0 : said(part) !== said(sum)) report(part, `says ${said(part)}, its meters' windows say ${sum === undefined ? 'nothing' : said(sum)}`);
  }
  for (const part of expected.values()) report(part, `is missing; its meters' windows say ${said(part)}`);

  function report({ region, granularity, windowStartMs }: LedgerPart, problem: string): void {
    findings.add(`window ${new Date(windowStartMs).toISOString()} (${granularity === 0 ? '1m' : '15m'}) of region ${state.ledger.nameOf(region)}`, problem);
  }
}

function* storedParts(table: Table, onStep: (entries: number) => void): Generator<LedgerPart> {
  for (const entries of steps(table, ENTRIES_PER_STEP)) {
    for (const { key, value } of entries) {
      const { region, granularity, windowNumber } = partKeyParts(key);
      yield decodePart(value, region, granularity, windowNumber * WINDOW_MS[granularity]);
    }
    onStep(entries.length);
  }
}

function addWindows(page: MeterPage, store: ShardStore, sums: RegionLedger, onStep: (entries: number) => void): void {
  const record = new WindowRecord();
  const add = (granularity: number, windowNumber: number, bytes: Uint8Array): void => {
    record.load(bytes);
    if (record.count > 0) sums.add(granularity, windowNumber * WINDOW_MS[granularity], slotContribution(record, 0, granularity));
  };
  let entries = 0;
  for (let granularity = 0; granularity < 2; granularity++) {
    const from = windowKey(page.partition, page.number, granularity, 0, 0);
    for (const { key, value } of store.windows.range(from, windowKey(page.partition, page.number, granularity + 1, 0, 0))) {
      const { windowNumber, rowInPage: r } = windowKeyParts(key);
      entries++;
      // What the replay made of it is newer.
      if (page.pending.find(pendingKey(granularity, windowNumber, r)) < 0) add(granularity, windowNumber, value);
    }
  }
  for (let i = 0; i < page.pending.count; i++) {
    const { granularity, windowNumber } = pendingKeyParts(page.pending.keyAt(i));
    add(granularity, windowNumber, page.pending.recordAt(i));
  }
  onStep(entries);
}

function nameOf({ region, granularity, windowStartMs }: LedgerPart): string {
  return `${region}/${granularity}/${windowStartMs}`;
}

/** Halves of a sum may be carried differently; extremes of no meters mean nothing. */
function said({ meters, powerHigh, powerLow, energyHigh, energyLow, minPowerKw, maxPowerKw }: LedgerPart): string {
  const whole = (high: number, low: number): bigint => BigInt(high) * 2n ** 24n + BigInt(low);
  if (meters === 0) return 'no meters';
  return `${meters} meters, ${whole(powerHigh, powerLow)} µW, ${whole(energyHigh, energyLow)} µWh, ${minPowerKw} to ${maxPowerKw} kW`;
}
