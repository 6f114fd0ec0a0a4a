import type { Anomaly } from '../../model/anomaly.ts';
import type { AnomalyQuery, DeadLetter, DeadLetterQuery, MeterHealth, MeterListQuery, MeterState, MeterSummary, Page } from '../../model/queries.ts';
import { READING_FLAG } from '../../model/reading.ts';
import { GRANULARITIES, GRANULARITY_MS } from '../../model/window.ts';
import type { RegionWindowKey } from '../sinks/protocol.ts';
import type { DetectionConfig } from './detection/detection-config.ts';
import { baselineOf } from './detection/detection.ts';
import { openKinds } from './detection/episodes.ts';
import { unknownConsumer, type EffectReader } from './effect-reader.ts';
import { EnergyQueries } from './energy-queries.ts';
import { NO_ROW, rowOffset, type MeterPage } from './meter-pages.ts';
import { LIVE, ROW, SLOT, SLOTS_PER_GRANULARITY, slotOffset } from './page-layout.ts';
import type { Outbox } from './outbox.ts';
import { MeterProfile } from './meter-profile.ts';
import { MeterWindows } from './meter-windows.ts';
import type { RegionPart, ShardAnswers, ShardQuery } from './protocol.ts';
import { addContribution, emptyPart, type LedgerPart } from './region-ledger.ts';
import { knownHours } from './detection/seasonal-profile.ts';
import { decodePart, type ShardStore } from './shard-store.ts';
import type { ShardState } from './state.ts';
import { meterAnomalyKey, partKey, timeKey } from './store-keys.ts';
import { slotContribution } from './window-accumulator.ts';

/** Rows of a table that one query looks at, at most: a filter that matches little gives a short page and a cursor instead of a long wait. */
const SCANNED_PER_QUERY_MAX = 20_000;

/** Answers questions about the shard's meters from memory and store. Runs between turns, so it sees whole turns only. */
export class ShardQueries {
  private readonly state: ShardState;
  private readonly store: ShardStore;
  private readonly detection: DetectionConfig;
  private readonly windows: MeterWindows;
  /** null while the shard has no outbox. */
  effects: { reader: EffectReader; outbox: Outbox } | null = null;
  private readonly profile: MeterProfile;
  readonly energy: EnergyQueries;

  constructor(state: ShardState, store: ShardStore, detection: DetectionConfig) {
    this.state = state;
    this.store = store;
    this.detection = detection;
    this.windows = new MeterWindows(state, store);
    this.profile = new MeterProfile(store, { keeps: false });
    this.energy = new EnergyQueries(state, store);
  }

  answer<K extends ShardQuery['kind']>(query: Extract<ShardQuery, { kind: K }>): ShardAnswers[K];
  answer(query: ShardQuery): ShardAnswers[ShardQuery['kind']] {
    switch (query.kind) {
      case 'meterWindows':
        return this.windows.page(query.meterId, query.query);
      case 'meterWindowBlock':
        return this.windows.packedPage(query.meterId, query.query);
      case 'meter':
        return this.meter(query.meterId);
      case 'meters':
        return this.meters(query.query);
      case 'anomalies':
        return this.anomalies(query.query);
      case 'deadLetters':
        return this.deadLetters(query.query);
      case 'regionParts':
        return this.regionParts(query);
      case 'regionPartsByKey':
        return this.regionPartsByKey(query.keys);
      case 'energyMeters':
        return this.energy.meters(query.from, query.limit);
      case 'meterRegion':
        return this.energy.region(query.meterId);
      case 'determinants':
        return this.energy.determinants(query).finish();
      case 'energyQuarters':
        return this.energy.quarters(query.meterId, query.from, query.to);
      case 'effects':
        if (this.effects === null) throw unknownConsumer(query.consumer);
        return this.effects.reader.read(query.consumer, query.position, query.windowsMax);
      case 'acknowledgeEffects':
        this.effects?.outbox.acknowledge(query.consumer, query.position);
        return null;
    }
  }

  private rowOf(meterId: string): number {
    return this.state.directory.rowOf(meterId);
  }

  // Meters -----------------------------------------------------------------------------------------------------------------

  private summary(row: number): MeterSummary {
    const page = this.state.directory.pages[row >>> 6];
    const at = rowOffset(row);
    return {
      meterId: this.state.directory.idOf(row),
      region: this.state.ledger.nameOf(page.u16[(at + ROW.region) >> 1]),
      partition: page.partition,
      health: healthOf(page.u8[at + ROW.live]),
      newestTimestamp: page.f64[(at + ROW.newestMs) >> 3],
      lastPowerKw: page.f64[(at + ROW.powerKw) >> 3],
      openAnomalies: openKinds(this.state.cellsOf(page, row)),
    };
  }

  private meter(meterId: string): MeterState | null {
    const row = this.rowOf(meterId);
    if (row === NO_ROW) return null;
    const page: MeterPage = this.state.directory.pages[row >>> 6];
    const at = rowOffset(row);
    const value = (offset: number): number => page.f64[(at + offset) >> 3];
    const optional = (offset: number): number | null => (value(offset) === value(offset) ? value(offset) : null);
    const { cadenceMs, ...baseline } = baselineOf(this.state.cellsOf(page, row), this.detection);
    return {
      ...this.summary(row),
      lastReading: {
        timestamp: value(ROW.newestMs),
        receivedAt: value(ROW.arrivedMs),
        powerKw: value(ROW.powerKw),
        energyKwh: optional(ROW.energyKwh),
        voltage: optional(ROW.voltage),
        current: optional(ROW.current),
        frequency: optional(ROW.frequency),
        powerFactor: optional(ROW.powerFactor),
        seq: optional(ROW.seq),
        status: page.u8[at + ROW.flags] & READING_FLAG.error ? 'ERROR' : 'OK',
      },
      readings: value(ROW.readings),
      cadenceMs,
      baseline: { ...baseline, hourOfWeek: knownHours(this.profile.of(page, row), this.detection) },
    };
  }

  /** In order of id. The cursor is the last id that was looked at. */
  private meters(query: MeterListQuery): Page<MeterSummary> {
    const data: MeterSummary[] = [];
    let scanned = 0;
    let last = '';
    for (const meterId of this.meterIdsAfter(query.cursor)) {
      if (data.length === query.limit || scanned === SCANNED_PER_QUERY_MAX) return { data, nextCursor: last };
      scanned++;
      last = meterId;
      const row = this.rowOf(meterId);
      if (row === NO_ROW) continue;
      const summary = this.summary(row);
      if (query.region === null || summary.region === query.region) data.push(summary);
    }
    return { data, nextCursor: null };
  }

  /** The stored list, with the meters that are not in it yet at their places. Each id once. */
  private *meterIdsAfter(cursor: string | null): Iterable<string> {
    const after = cursor ?? '';
    const fresh = [...this.state.newRows].map((row) => this.state.directory.idOf(row)).filter((id) => id > after);
    fresh.sort((a, b) => (a < b ? -1 : 1));
    let next = 0;
    const from = Buffer.concat([Buffer.from(after, 'latin1'), Buffer.alloc(1)]);
    for (const { key } of this.store.meters.range(from, Buffer.alloc(65, 255))) {
      const stored = Buffer.from(key).toString('latin1');
      while (next < fresh.length && fresh[next] < stored) yield fresh[next++];
      if (fresh[next] === stored) next++;
      yield stored;
    }
    while (next < fresh.length) yield fresh[next++];
  }

  // Anomalies and dead letters ---------------------------------------------------------------------------------------------

  private anomalies(query: AnomalyQuery): Page<Anomaly> {
    return query.meterId === null ? this.anomaliesByTime(query) : this.anomaliesOfMeter(query.meterId, query);
  }

  private anomaliesByTime(query: AnomalyQuery): Page<Anomaly> {
    const to = query.cursor === null ? timeKey(query.to) : Buffer.from(query.cursor, 'base64url');
    return this.page(this.store.anomalies.range(timeKey(query.from), to, { reverse: true }), query.limit, (value) => {
      const anomaly = this.store.decodeAnomaly(value);
      return matches(anomaly, query) ? anomaly : null;
    });
  }

  private anomaliesOfMeter(meterId: string, query: AnomalyQuery): Page<Anomaly> {
    const prefix = meterAnomalyKey(meterId, 0, 'spike').subarray(0, meterId.length + 1);
    const from = Buffer.concat([prefix, timeKey(query.from)]);
    const to = query.cursor === null ? Buffer.concat([prefix, timeKey(query.to)]) : Buffer.from(query.cursor, 'base64url');
    const data: Anomaly[] = [];
    let lastKey: Uint8Array | null = null;
    for (const { key } of this.store.anomaliesByMeter.range(from, to, { reverse: true })) {
      if (data.length === query.limit) return { data, nextCursor: cursorAt(lastKey!) };
      lastKey = key;
      const rest = key.subarray(prefix.length);
      const anomaly = this.store.anomaly(Buffer.concat([rest, prefix.subarray(0, -1)]));
      if (anomaly !== null && matches(anomaly, query)) data.push(anomaly);
    }
    return { data, nextCursor: null };
  }

  private deadLetters(query: DeadLetterQuery): Page<DeadLetter> {
    const to = query.cursor === null ? timeKey(query.to) : Buffer.from(query.cursor, 'base64url');
    return this.page(this.store.deadLetters.range(timeKey(query.from), to, { reverse: true }), query.limit, (value) => {
      const letter = this.store.decodeDeadLetter(value);
      return (query.code === null || letter.code === query.code) && (query.meterId === null || letter.meterId === query.meterId) ? letter : null;
    });
  }

  /** Walks a table downwards. The cursor is the key of the last row that was looked at: the next page ends before it. */
  private page<T>(entries: Iterable<{ key: Uint8Array; value: Uint8Array }>, limit: number, pick: (value: Uint8Array) => T | null): Page<T> {
    const data: T[] = [];
    let scanned = 0;
    let lastKey: Uint8Array | null = null;
    for (const { key, value } of entries) {
      if (data.length === limit || scanned === SCANNED_PER_QUERY_MAX) return { data, nextCursor: cursorAt(lastKey!) };
      scanned++;
      lastKey = key;
      const picked = pick(value);
      if (picked !== null) data.push(picked);
    }
    return { data, nextCursor: null };
  }

  // Regions ----------------------------------------------------------------------------------------------------------------

  /** In order of windowStart, `limit` at most. */
  private regionParts(query: Extract<ShardQuery, { kind: 'regionParts' }>): RegionPart[] {
    const region = this.state.ledger.find(query.region);
    if (region < 0) return [];
    const granularity = GRANULARITIES.indexOf(query.granularity);
    const length = GRANULARITY_MS[query.granularity];
    const first = Math.ceil(query.from / length);
    const last = Math.ceil(query.to / length) - 1;
    const found = new Map<number, LedgerPart>();
    for (const { key, value } of this.store.parts.range(partKey(region, granularity, first), partKey(region, granularity, last + 1), { limit: query.limit })) {
      const windowStartMs = Buffer.from(key).readUInt32BE(3) * length;
      found.set(windowStartMs, decodePart(value, region, granularity, windowStartMs));
    }
    for (const part of this.state.ledger.partsInMemory()) {
      const inRange = part.windowStartMs >= first * length && part.windowStartMs <= last * length;
      if (part.region === region && part.granularity === granularity && inRange) found.set(part.windowStartMs, part);
    }
    if (query.withOpen) this.addOpenWindows(found, region, granularity, first * length, last * length);
    return [...found.values()]
      .sort((a, b) => a.windowStartMs - b.windowStartMs)
      .slice(0, query.limit)
      .map((part) => this.state.ledger.toReport(part));
  }

  private regionPartsByKey(keys: readonly RegionWindowKey[]): RegionPart[] {
    const { ledger } = this.state;
    return keys.flatMap(({ region, granularity, windowStart }) => {
      const index = ledger.find(region);
      const part = index < 0 ? null : ledger.partNow(index, GRANULARITIES.indexOf(granularity), windowStart);
      return part === null ? [] : [ledger.toReport(part)];
    });
  }

  /** What the meters' open windows would add if they closed now. Looks at every row: some milliseconds for 100,000 meters. */
  private addOpenWindows(found: Map<number, LedgerPart>, region: number, granularity: number, firstMs: number, lastMs: number): void {
    const open = new Map<number, LedgerPart>();
    for (const page of this.state.directory.pages) {
      for (let r = 0; r < page.rowCount; r++) {
        for (let s = 0; s < SLOTS_PER_GRANULARITY; s++) {
          const at = rowOffset(page.rowAt(r)) + slotOffset(granularity, s);
          const startMs = page.f64[at >> 3];
          // NaN, an empty slot, fails both comparisons.
          if (!(startMs >= firstMs && startMs <= lastMs) || page.u32[(at + SLOT.count) >> 2] === 0 || page.u16[(at + SLOT.region) >> 1] !== region) continue;
          let part = open.get(startMs);
          if (part === undefined) open.set(startMs, (part = { ...(found.get(startMs) ?? emptyPart(region, granularity, startMs)) }));
          addContribution(part, slotContribution(page, at, granularity));
        }
      }
    }
    for (const [startMs, part] of open) found.set(startMs, part);
  }
}

/** Where a downward walk goes on after `key`: ranges exclude their upper end. */
function cursorAt(key: Uint8Array): string {
  return Buffer.from(key).toString('base64url');
}

function healthOf(live: number): MeterHealth {
  if (live === LIVE.reporting) return 'reporting';
  return live === LIVE.silent ? 'silent' : 'historical';
}

function matches(anomaly: Anomaly, query: AnomalyQuery): boolean {
  return (
    (query.meterId === null || anomaly.meterId === query.meterId) &&
    (query.region === null || anomaly.region === query.region) &&
    (query.kind === null || anomaly.kind === query.kind) &&
    (query.severity === null || anomaly.severity === query.severity) &&
    (!query.open || anomaly.endedAt === null) &&
    anomaly.startedAt >= query.from &&
    anomaly.startedAt < query.to
  );
}
