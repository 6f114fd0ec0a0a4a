import { QUARTER_QUALITY } from '../../model/determinants.ts';
import { highOf, lowOf, meanValue, sumMillionths, sumUnits, sumValue, toMillionths, toUnits } from '../../model/exact-sum.ts';
import type { ReadingBatch } from '../../model/reading-batch.ts';
import { GRANULARITIES, GRANULARITY_MS, type MeterWindow } from '../../model/window.ts';
import { SLOT, SLOT_BYTES } from './page-layout.ts';
import type { Contribution } from './region-ledger.ts';

/**
 * Arithmetic of one window: a slot of SLOT_BYTES, in a page while the window is open, in a stored record afterwards. A record is the
 * slot followed by those of its samples that lie in no block (u32 fingerprints, then as many u16 offsets; see sample-index.ts).
 */

const QUARTER_HOUR = GRANULARITIES.indexOf('15m');

/** Typed arrays over the buffer that holds a slot. */
export interface SlotCells {
  readonly f64: Float64Array;
  readonly u32: Uint32Array;
  readonly u16: Uint16Array;
}

/** Samples of the slot at byte `at` that lie in no block: in memory while the window is open, in its record afterwards. */
export function heldSamples(cells: SlotCells, at: number): number {
  return cells.u32[(at + SLOT.sampleCount) >> 2] - cells.u16[(at + SLOT.samplesInBlocks) >> 1];
}

/** Makes the slot at byte `at` an empty window that starts at `startMs`. */
export function openSlot(cells: SlotCells, at: number, startMs: number): void {
  const d = at >> 3;
  cells.f64.fill(0, d, d + SLOT_BYTES / 8);
  cells.f64[d] = startMs;
  cells.f64[d + (SLOT.newestMs >> 3)] = -Infinity;
  cells.f64[d + (SLOT.powerMin >> 3)] = Infinity;
  cells.f64[d + (SLOT.powerMax >> 3)] = -Infinity;
  cells.f64[d + (SLOT.voltageMin >> 3)] = Infinity;
  cells.f64[d + (SLOT.voltageMax >> 3)] = -Infinity;
}

/** What a window counts of a batch's readings. */
export type CountedColumns = Pick<ReadingBatch, 'timestamp' | 'powerKw' | 'energyKwh' | 'voltage'>;

/** Counts the i-th reading (status OK) in the slot at byte `at`. Takes columns, not numbers: V8 makes an object of each fraction that it hands to a function, which was most of the garbage of a shard's thread. */
export function addToSlot(cells: SlotCells, at: number, columns: CountedColumns, i: number, region: number): void {
  const timestampMs = columns.timestamp[i];
  const powerKw = columns.powerKw[i];
  // NaN: absent.
  const energyKwh = columns.energyKwh === null ? NaN : columns.energyKwh[i];
  const voltage = columns.voltage === null ? NaN : columns.voltage[i];
  const f64 = cells.f64;
  const u32 = cells.u32;
  const d = at >> 3;
  const w = at >> 2;
  u32[w + (SLOT.count >> 2)]++;
  const power = toUnits(powerKw);
  const powerHigh = highOf(power);
  f64[d + (SLOT.powerHigh >> 3)] += powerHigh;
  f64[d + (SLOT.powerLow >> 3)] += lowOf(power, powerHigh);
  if (powerKw < f64[d + (SLOT.powerMin >> 3)]) f64[d + (SLOT.powerMin >> 3)] = powerKw;
  if (powerKw > f64[d + (SLOT.powerMax >> 3)]) f64[d + (SLOT.powerMax >> 3)] = powerKw;
  if (energyKwh === energyKwh) {
    const energy = toUnits(energyKwh);
    const energyHigh = highOf(energy);
    u32[w + (SLOT.energyCount >> 2)]++;
    f64[d + (SLOT.energyHigh >> 3)] += energyHigh;
    f64[d + (SLOT.energyLow >> 3)] += lowOf(energy, energyHigh);
  }
  if (voltage === voltage) {
    const volts = toUnits(voltage);
    const voltsHigh = highOf(volts);
    u32[w + (SLOT.voltageCount >> 2)]++;
    f64[d + (SLOT.voltageHigh >> 3)] += voltsHigh;
    f64[d + (SLOT.voltageLow >> 3)] += lowOf(volts, voltsHigh);
    if (voltage < f64[d + (SLOT.voltageMin >> 3)]) f64[d + (SLOT.voltageMin >> 3)] = voltage;
    if (voltage > f64[d + (SLOT.voltageMax >> 3)]) f64[d + (SLOT.voltageMax >> 3)] = voltage;
  }
  if (timestampMs > f64[d + (SLOT.newestMs >> 3)]) {
    f64[d + (SLOT.newestMs >> 3)] = timestampMs;
    cells.u16[(at + SLOT.region) >> 1] = region;
  }
}

/** Mean power of the slot, kW, rounded to 1e-9. */
export function slotAvgPowerKw(cells: SlotCells, at: number): number {
  const d = at >> 3;
  return meanValue(cells.f64[d + (SLOT.powerHigh >> 3)], cells.f64[d + (SLOT.powerLow >> 3)], cells.u32[(at + SLOT.count) >> 2]);
}

/** Mean voltage of the slot, NaN when no reading carried one. */
export function slotVoltageAvg(cells: SlotCells, at: number): number {
  const count = cells.u32[(at + SLOT.voltageCount) >> 2];
  const d = at >> 3;
  return count === 0 ? NaN : meanValue(cells.f64[d + (SLOT.voltageHigh >> 3)], cells.f64[d + (SLOT.voltageLow >> 3)], count);
}

/** Energy of the slot in billionths of a kWh: measured where readings carry it, else mean power × window length. */
function slotEnergyUnits(cells: SlotCells, at: number, granularity: number): number {
  const d = at >> 3;
  if (cells.u32[(at + SLOT.energyCount) >> 2] > 0) return sumUnits(cells.f64[d + (SLOT.energyHigh >> 3)], cells.f64[d + (SLOT.energyLow >> 3)]);
  const hours = GRANULARITY_MS[GRANULARITIES[granularity]] / 3_600_000;
  return toUnits(slotAvgPowerKw(cells, at) * hours);
}

/** Energy of a quarter-hour's slot with count > 0, as bills count it: whole microKwh. */
export function slotMicroKwh(cells: SlotCells, at: number): number {
  const d = at >> 3;
  if (cells.u32[(at + SLOT.energyCount) >> 2] > 0) return sumMillionths(cells.f64[d + (SLOT.energyHigh >> 3)], cells.f64[d + (SLOT.energyLow >> 3)]);
  return toMillionths(slotEnergyUnits(cells, at, QUARTER_HOUR));
}

/** How that is known: QUARTER_QUALITY. */
export function slotQuality(cells: SlotCells, at: number): number {
  return cells.u32[(at + SLOT.energyCount) >> 2] > 0 ? QUARTER_QUALITY.measured : QUARTER_QUALITY.estimated;
}

/** What a slot with count > 0 adds to its region's window. */
export function slotContribution(cells: SlotCells, at: number, granularity: number): Contribution {
  const d = at >> 3;
  return {
    region: cells.u16[(at + SLOT.region) >> 1],
    powerUnits: toUnits(slotAvgPowerKw(cells, at)),
    energyUnits: slotEnergyUnits(cells, at, granularity),
    minPowerKw: cells.f64[d + (SLOT.powerMin >> 3)],
    maxPowerKw: cells.f64[d + (SLOT.powerMax >> 3)],
  };
}

/** What a slot's numbers stand for. */
export interface WindowNames {
  meterId: string;
  region(index: number): string;
}

/** The window a slot stands for; null when no reading counts in it. `revision` is 0 for an open slot. */
export function slotToWindow(cells: SlotCells, at: number, granularity: number, names: WindowNames, final: boolean, revision: number): MeterWindow | null {
  const window = emptyWindow();
  return readWindow(window, cells, at, granularity, names, final, revision) ? window : null;
}

/** To be filled by `readWindow`, one after the other where each is only looked at. */
export function emptyWindow(): MeterWindow {
  return {
    meterId: '',
    region: '',
    granularity: '1m',
    windowStart: NaN,
    windowEnd: NaN,
    avgPowerKw: NaN,
    minPowerKw: NaN,
    maxPowerKw: NaN,
    energyKwhSum: NaN,
    energySource: 'estimated',
    voltageAvg: null,
    voltageMin: null,
    voltageMax: null,
    count: 0,
    revision: 0,
    final: false,
  };
}

/** Makes `window` what `slotToWindow` gives; false, with `window` as it was, where that is null. */
export function readWindow(window: MeterWindow, cells: SlotCells, at: number, granularity: number, names: WindowNames, final: boolean, revision: number): boolean {
  const d = at >> 3;
  const count = cells.u32[(at + SLOT.count) >> 2];
  if (count === 0) return false;
  const name = GRANULARITIES[granularity];
  const hasVoltage = cells.u32[(at + SLOT.voltageCount) >> 2] > 0;
  window.meterId = names.meterId;
  window.region = names.region(cells.u16[(at + SLOT.region) >> 1]);
  window.granularity = name;
  window.windowStart = cells.f64[d];
  window.windowEnd = cells.f64[d] + GRANULARITY_MS[name];
  window.avgPowerKw = slotAvgPowerKw(cells, at);
  window.minPowerKw = cells.f64[d + (SLOT.powerMin >> 3)];
  window.maxPowerKw = cells.f64[d + (SLOT.powerMax >> 3)];
  window.energyKwhSum = sumValue(0, slotEnergyUnits(cells, at, granularity));
  window.energySource = cells.u32[(at + SLOT.energyCount) >> 2] > 0 ? 'measured' : 'estimated';
  window.voltageAvg = hasVoltage ? slotVoltageAvg(cells, at) : null;
  window.voltageMin = hasVoltage ? cells.f64[d + (SLOT.voltageMin >> 3)] : null;
  window.voltageMax = hasVoltage ? cells.f64[d + (SLOT.voltageMax >> 3)] : null;
  window.count = count;
  window.revision = revision;
  window.final = final;
  return true;
}

/** A stored or pending record, copied where it can be read and amended. Grows; reused. */
export class WindowRecord implements SlotCells {
  f64!: Float64Array;
  u32!: Uint32Array;
  u16!: Uint16Array;
  private bytes!: Uint8Array;
  private view!: DataView;

  constructor() {
    this.allocate(512);
  }

  /** Loads a copy of a record. */
  load(record: Uint8Array): void {
    if (record.length > this.bytes.length) this.allocate(record.length * 2);
    this.bytes.set(record);
  }

  /** Starts an empty window. */
  open(startMs: number): void {
    openSlot(this, 0, startMs);
  }

  get count(): number {
    return this.u32[SLOT.count >> 2];
  }

  get sampleCount(): number {
    return this.u32[SLOT.sampleCount >> 2];
  }

  get samplesInBlocks(): number {
    return this.u16[SLOT.samplesInBlocks >> 1];
  }

  get revision(): number {
    return this.u32[SLOT.samplesOrRevision >> 2];
  }

  set revision(revision: number) {
    this.u32[SLOT.samplesOrRevision >> 2] = revision;
  }

  /** The fingerprint of the sample at `offsetMs`, or −1 when the record has no such sample; its blocks may. */
  findSample(offsetMs: number): number {
    const count = heldSamples(this, 0);
    const offsets = SLOT_BYTES + count * 4;
    for (let k = 0; k < count; k++) {
      if (this.view.getUint16(offsets + k * 2, true) === offsetMs) return this.view.getUint32(SLOT_BYTES + k * 4, true);
    }
    return -1;
  }

  addSample(offsetMs: number, fingerprint: number): void {
    const count = heldSamples(this, 0);
    const needed = SLOT_BYTES + (count + 1) * 6;
    if (needed > this.bytes.length) this.allocate(needed * 2);
    const offsets = SLOT_BYTES + count * 4;
    // The offsets move up to make room for one more fingerprint.
    this.bytes.copyWithin(offsets + 4, offsets, offsets + count * 2);
    this.view.setUint32(offsets, fingerprint, true);
    this.view.setUint16(offsets + 4 + count * 2, offsetMs, true);
    this.u32[SLOT.sampleCount >> 2]++;
  }

  /** The record's bytes (borrowed). */
  toBytes(): Uint8Array {
    return this.bytes.subarray(0, SLOT_BYTES + heldSamples(this, 0) * 6);
  }

  /** Room to write a record with `samples` samples in it, and the view to do it with. */
  prepare(samples: number): DataView {
    const needed = SLOT_BYTES + samples * 6;
    if (needed > this.bytes.length) this.allocate(needed * 2);
    return this.view;
  }

  private allocate(bytes: number): void {
    const size = Math.ceil(bytes / 8) * 8;
    const buffer = new ArrayBuffer(size);
    const next = new Uint8Array(buffer);
    if (this.bytes !== undefined) next.set(this.bytes);
    this.bytes = next;
    this.view = new DataView(buffer);
    this.f64 = new Float64Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.u16 = new Uint16Array(buffer);
  }
}
