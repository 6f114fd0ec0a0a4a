import { ROWS_PER_PAGE } from '../actors/shard/page-layout.ts';
import type { EnergyPlace, ShardAnswers, ShardQuery } from '../actors/shard/protocol.ts';
import { METERS_PER_QUESTION_MAX, type EnergySource } from '../actors/tariffs/energy-source.ts';
import type { MeterPlace } from '../actors/tariffs/protocol.ts';
import { DeterminantsOfParts, type DeterminantsPart, type FoundDeterminants } from '../model/determinants-row.ts';
import { QUARTER_MS, type EnergyQuarter, type MeteringPlan } from '../model/energy.ts';
import { sumUnits } from '../model/exact-sum.ts';
import { partitionOf, shardOfPartition } from '../model/ids.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { AskShard } from './ask-shard.ts';

/** Regional windows that are asked for at once: a month of them. */
const REGION_WINDOWS_PER_QUESTION = 31 * 96;

export interface EnergyLinkOptions {
  partitionCount: number;
  shardCount: number;
}

/** An EnergySource that can also give determinants as shards do: they pass through the main thread as they are. */
export interface EnergyParts extends EnergySource {
  determinantParts(...asked: Parameters<EnergySource['determinants']>): Promise<DeterminantsPart[]>;
}

/** The energy of all meters, asked of the shards that keep it. */
export class EnergyLink implements EnergyParts {
  private readonly options: EnergyLinkOptions;
  private readonly ask: AskShard;

  constructor(options: EnergyLinkOptions, ask: AskShard) {
    this.options = options;
    this.ask = ask;
  }

  async meters(after: string | null, limit: number): Promise<{ meters: MeterPlace[]; next: string | null }> {
    const from = after === null ? { page: 0, partition: 0, row: 0 } : placeAfter(after);
    // Of each its part: neighbours in the order of places are of different shards. And whole pages, or its next meter would come before the others' first.
    const limitEach = Math.max(ROWS_PER_PAGE, Math.ceil(limit / this.options.shardCount));
    const parts = await this.askAll({ kind: 'energyMeters', from, limit: limitEach });
    const end = parts.flatMap(({ next }) => (next === null ? [] : [next])).sort(byPlace).at(0) ?? null;
    const meters: MeterPlace[] = [];
    let [last, isAll]: [EnergyPlace | null, boolean] = [null, end === null];
    for (const { page, partition, row, meterIds, regions } of parts.flatMap(({ pages }) => pages).sort(byPlace)) {
      if (end !== null && byPlace({ page, partition }, end) > 0) break;
      const taken = Math.min(meterIds.length, limit - meters.length);
      for (let i = 0; i < taken; i++) meters.push({ meterId: meterIds[i], region: regions[i] });
      if (taken > 0) last = { page, partition, row: row + taken - 1 };
      if (taken < meterIds.length) isAll = false;
    }
    return { meters, next: isAll || last === null ? null : cursorAt(last) };
  }

  async place(meterId: string): Promise<MeterPlace | null> {
    const region = await this.ask<'meterRegion'>(this.ownerOf(meterId), { kind: 'meterRegion', meterId });
    return region === null ? null : { meterId, region };
  }

  async determinants(meterIds: readonly string[], planOf: Uint8Array, plans: readonly MeteringPlan[]): Promise<FoundDeterminants> {
    return new DeterminantsOfParts(await this.determinantParts(meterIds, planOf, plans), planOf, plans);
  }

  async determinantParts(meterIds: readonly string[], planOf: Uint8Array, plans: readonly MeteringPlan[]): Promise<DeterminantsPart[]> {
    if (meterIds.length > METERS_PER_QUESTION_MAX) throw new RangeError(`${meterIds.length} meters are more than ${METERS_PER_QUESTION_MAX}`);
    const positionsOf = new Map<number, number[]>();
    meterIds.forEach((meterId, position) => {
      const shard = this.ownerOf(meterId);
      const positions = positionsOf.get(shard);
      if (positions === undefined) positionsOf.set(shard, [position]);
      else positions.push(position);
    });
    const asked = [...positionsOf].map(async ([shard, positions]) => {
      const query = { kind: 'determinants', meterIds: positions.map((position) => meterIds[position]), planOf: Uint8Array.from(positions, (position) => planOf[position]), plans } as const;
      const { known, rows } = await this.ask<'determinants'>(shard, query);
      return { positions: Uint16Array.from(positions), found: { known: owned(known), rows: owned(rows) } };
    });
    return Promise.all(asked);
  }

  quarters(meterId: string, from: number, to: number): Promise<EnergyQuarter[] | null> {
    return this.ask<'energyQuarters'>(this.ownerOf(meterId), { kind: 'energyQuarters', meterId, from, to });
  }

  async regionPeak(region: string, from: number, to: number): Promise<number | null> {
    let peak: { quarter: number; units: number } | null = null;
    for (let first = from; first < to; first += REGION_WINDOWS_PER_QUESTION) {
      const last = Math.min(to, first + REGION_WINDOWS_PER_QUESTION);
      const parts = await this.askAll({ kind: 'regionParts', region, granularity: '15m', from: first * QUARTER_MS, to: last * QUARTER_MS, limit: last - first, withOpen: false });
      for (const [quarter, units] of powerByQuarter(parts.flat())) {
        if (peak === null || units > peak.units || (units === peak.units && quarter < peak.quarter)) peak = { quarter, units };
      }
    }
    return peak === null ? null : peak.quarter;
  }

  private ownerOf(meterId: string): number {
    return shardOfPartition(partitionOf(meterId, this.options.partitionCount), this.options.shardCount);
  }

  private askAll<K extends ShardQuery['kind']>(query: Extract<ShardQuery, { kind: K }>): Promise<ShardAnswers[K][]> {
    return Promise.all(Array.from({ length: this.options.shardCount }, (_, shard) => this.ask<K>(shard, query)));
  }
}

/** What another node sent lies in the memory of its whole reply, which would be sent on with it. */
function owned(bytes: Uint8Array): Uint8Array {
  return bytes.length === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}

/** Of each quarter-hour the sum of its meters' mean power, in billionths of a kW. */
function powerByQuarter(parts: readonly ShardAnswers['regionParts'][number][]): Map<number, number> {
  const sums = new Map<number, { high: number; low: number }>();
  for (const { windowStart, meters, powerHigh, powerLow } of parts) {
    if (meters === 0) continue;
    const sum = sums.get(windowStart / QUARTER_MS);
    if (sum === undefined) sums.set(windowStart / QUARTER_MS, { high: powerHigh, low: powerLow });
    else {
      sum.high += powerHigh;
      sum.low += powerLow;
    }
  }
  return new Map([...sums].map(([quarter, { high, low }]) => [quarter, sumUnits(high, low)]));
}

/** A page is one shard's alone. */
function byPlace(a: Omit<EnergyPlace, 'row'>, b: Omit<EnergyPlace, 'row'>): number {
  return a.page - b.page || a.partition - b.partition;
}

/** Page, partition and row. */
const CURSOR = /^(\d{1,10})\.(\d{1,5})\.(\d{1,2})$/;

function cursorAt({ page, partition, row }: EnergyPlace): string {
  return `${page}.${partition}.${row}`;
}

function placeAfter(cursor: string): EnergyPlace {
  const match = CURSOR.exec(cursor);
  if (match === null) throw new OperationalError('invalid_cursor', 'the cursor is not one that was given; start again without it');
  return { page: Number(match[1]), partition: Number(match[2]), row: Number(match[3]) + 1 };
}
