import type { RegionState } from '../actors/region/state.ts';
import { mergeParts, type RegionCapacities } from '../actors/region/state.ts';
import type { RegionPart, ShardAnswers, ShardQuery } from '../actors/shard/protocol.ts';
import { anomalyKey, deadLetterKey } from '../actors/shard/store-keys.ts';
import type { EnginePort, EngineStatus, OperationsStatus } from '../http/engine-port.ts';
import type { Anomaly } from '../model/anomaly.ts';
import { isId, partitionOf, shardOfPartition, type MeterId, type RegionId } from '../model/ids.ts';
import type { AnomalyQuery, DeadLetter, DeadLetterQuery, MeterListQuery, MeterState, MeterSummary, PackedWindows, Page, QuarterSpan, RegionNow, SpanEnergy, TopConsumers, TopConsumersQuery, WindowQuery } from '../model/queries.ts';
import type { RegionForecast } from '../model/region-forecast.ts';
import { packWindows, unpackWindows } from '../model/window-block.ts';
import { GRANULARITY_MS, type MeterWindow, type RegionWindow } from '../model/window.ts';
import type { Clock } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';
import type { AskShard } from './ask-shard.ts';
import { EnergyLink } from './energy-link.ts';
import type { HistoryLink } from './history-link.ts';
import { mergePages } from './merged-pages.ts';
import { mergeWindowPages } from './merged-windows.ts';
import { RegionForecasts } from './region-forecasts.ts';
import { spanEnergy } from './span-energy.ts';
import { ConsumerRanking } from './top-consumers.ts';

export interface EngineQueriesOptions {
  partitionCount: number;
  shardCount: number;
  latenessMs: number;
  capacities: RegionCapacities;
  /** Within which the longest of questions settles, ms. */
  deadlineMs: number;
}

export interface EngineQueriesModules {
  ask: AskShard;
  /** null without a database. */
  history: Pick<HistoryLink, 'meterWindows'> | null;
  regions: () => RegionState;
  clock: Clock;
  status: () => EngineStatus;
  operations: () => Promise<OperationsStatus>;
}

/** Answers the gateway: asks the owner of a meter, or every shard, and merges. */
export class EngineQueries implements EnginePort {
  private readonly options: EngineQueriesOptions;
  private readonly modules: EngineQueriesModules;
  private readonly link: EnergyLink;
  private readonly ranking: ConsumerRanking;
  private readonly forecasts: RegionForecasts;

  constructor(options: EngineQueriesOptions, modules: EngineQueriesModules) {
    this.options = options;
    this.modules = modules;
    this.link = new EnergyLink(options, modules.ask);
    this.ranking = new ConsumerRanking({ deadlineMs: options.deadlineMs }, { energy: this.link, clock: modules.clock });
    this.forecasts = new RegionForecasts(options, { windows: (region, query) => this.regionWindows(region, query), clock: modules.clock });
  }

  async meterWindows(meterId: MeterId, query: WindowQuery): Promise<Page<MeterWindow> | null> {
    checkCursor(query.cursor, WINDOW_CURSOR);
    const page = await this.modules.ask<'meterWindows'>(this.ownerOf(meterId), { kind: 'meterWindows', meterId, query });
    const older = page === null ? null : this.olderWindows(meterId, query, page.keptFrom);
    return page === null || older === null ? page : mergeWindowPages(page, await older, query.limit, GRANULARITY_MS[query.granularity]);
  }

  async packedMeterWindows(meterId: MeterId, query: WindowQuery): Promise<PackedWindows | null> {
    checkCursor(query.cursor, WINDOW_CURSOR);
    const page = await this.modules.ask<'meterWindowBlock'>(this.ownerOf(meterId), { kind: 'meterWindowBlock', meterId, query });
    if (page === null) return null;
    const windows = memoryOf(page.windows);
    const older = this.olderWindows(meterId, query, page.keptFrom);
    if (older === null) return { windows, nextCursor: page.nextCursor };
    const { data, nextCursor } = mergeWindowPages({ data: unpackWindows(windows), nextCursor: page.nextCursor }, await older, query.limit, GRANULARITY_MS[query.granularity]);
    return { windows: packWindows(data), nextCursor };
  }

  /** What the database has of the windows that a shard gave up, all of them before `keptFrom`; null: nothing is asked of it. */
  private olderWindows(meterId: MeterId, query: WindowQuery, keptFrom: number): Promise<Page<MeterWindow>> | null {
    const { history } = this.modules;
    const from = query.cursor === null ? query.from : Number(query.cursor) * GRANULARITY_MS[query.granularity];
    const to = Math.min(query.to, keptFrom);
    // Asked second: what the shard gave up in between was in the database before.
    return history === null || from >= to ? null : history.meterWindows(meterId, { ...query, from, to, cursor: null });
  }

  meter(meterId: MeterId): Promise<MeterState | null> {
    return this.modules.ask(this.ownerOf(meterId), { kind: 'meter', meterId });
  }

  async meterRegion(meterId: MeterId): Promise<RegionId | null> {
    return (await this.modules.ask<'meterRegion'>(this.ownerOf(meterId), { kind: 'meterRegion', meterId })) as RegionId | null;
  }

  async meters(query: MeterListQuery): Promise<Page<MeterSummary>> {
    if (query.cursor !== null && !isId(query.cursor)) throw invalidCursor();
    const pages = await this.askAll({ kind: 'meters', query });
    return mergePages(pages, query.limit, (meter) => meter.meterId, false);
  }

  async regions(): Promise<RegionNow[]> {
    return this.modules.regions().regionsNow();
  }

  async regionWindows(region: RegionId, query: WindowQuery): Promise<Page<RegionWindow> | null> {
    checkCursor(query.cursor, WINDOW_CURSOR);
    if (!this.modules.regions().isKnown(region)) return null;
    const { granularity, to, limit } = query;
    const length = GRANULARITY_MS[granularity];
    const from = query.cursor === null ? query.from : Number(query.cursor) * length;
    // One more than asked for tells whether there is a next page.
    const answers = await this.askAll({ kind: 'regionParts', region, granularity, from, to, limit: limit + 1, withOpen: true });
    return this.mergeRegion(answers, limit, length);
  }

  regionForecast(region: RegionId, zone: string): Promise<RegionForecast | null> {
    return this.forecasts.of(region, zone);
  }

  energy(meterId: MeterId, spans: readonly QuarterSpan[]): Promise<SpanEnergy[] | null> {
    return spanEnergy(this.link, meterId, spans);
  }

  async topConsumers(region: RegionId, query: TopConsumersQuery): Promise<TopConsumers | null> {
    return this.modules.regions().isKnown(region) ? this.ranking.of(region, query) : null;
  }

  async anomalies(query: AnomalyQuery): Promise<Page<Anomaly>> {
    checkCursor(query.cursor, KEY_CURSOR);
    // One meter's episodes lie with its owner, whose cursor is its own.
    if (query.meterId !== null) return this.modules.ask(this.ownerOf(query.meterId), { kind: 'anomalies', query });
    const pages = await this.askAll({ kind: 'anomalies', query });
    return toWirePage(mergePages(pages.map(toKeyPage), query.limit, ({ startedAt, kind, meterId }) => anomalyKey(startedAt, kind, meterId).toString('latin1'), true));
  }

  async deadLetters(query: DeadLetterQuery): Promise<Page<DeadLetter>> {
    checkCursor(query.cursor, KEY_CURSOR);
    const pages = await this.askAll({ kind: 'deadLetters', query });
    return toWirePage(mergePages(pages.map(toKeyPage), query.limit, (letter) => keyOfDeadLetter(letter.id), true));
  }

  async engineStatus(): Promise<EngineStatus> {
    return this.modules.status();
  }

  operations(): Promise<OperationsStatus> {
    return this.modules.operations();
  }

  private ownerOf(meterId: string): number {
    return shardOfPartition(partitionOf(meterId, this.options.partitionCount), this.options.shardCount);
  }

  private askAll<K extends ShardQuery['kind']>(query: Extract<ShardQuery, { kind: K }>): Promise<ShardAnswers[K][]> {
    return Promise.all(Array.from({ length: this.options.shardCount }, (_, shard) => this.modules.ask<K>(shard, query)));
  }

  private mergeRegion(answers: readonly RegionPart[][], limit: number, windowMs: number): Page<RegionWindow> {
    const byStart = new Map<number, RegionPart[]>();
    let bound = Infinity;
    for (const parts of answers) {
      // A shard that filled its answer may have more behind its last part.
      if (parts.length > limit) bound = Math.min(bound, parts.at(-1)!.windowStart);
      for (const part of parts) byStart.set(part.windowStart, [...(byStart.get(part.windowStart) ?? []), part]);
    }
    const nowMs = this.modules.clock.now();
    const starts = [...byStart.keys()].sort((a, b) => a - b);
    const data: RegionWindow[] = [];
    for (const start of starts) {
      if (data.length === limit || start >= bound) return { data, nextCursor: String(start / windowMs) };
      const window = mergeParts(byStart.get(start)!, this.options.capacities, nowMs, this.options.latenessMs);
      if (window !== null) data.push(window);
    }
    return { data, nextCursor: null };
  }
}

/** A block from another node lies somewhere in what came with it: views of doubles need a place of their own. */
function memoryOf(block: Uint8Array<ArrayBuffer>): ArrayBuffer {
  return block.byteLength === block.buffer.byteLength ? block.buffer : new Uint8Array(block).buffer;
}

/** A window's number. */
const WINDOW_CURSOR = /^-?\d{1,12}$/;
/** A table key in base64url. */
const KEY_CURSOR = /^[A-Za-z0-9_-]{1,120}$/;

function checkCursor(cursor: string | null, pattern: RegExp): void {
  if (cursor !== null && !pattern.test(cursor)) throw invalidCursor();
}

function invalidCursor(): OperationalError {
  return new OperationalError('invalid_cursor', 'the cursor is not one this endpoint gave; start again without it');
}

/** Shards give and take keys in base64url; they are compared as bytes. */
function toKeyPage<T>(page: Page<T>): Page<T> {
  return { data: page.data, nextCursor: page.nextCursor === null ? null : Buffer.from(page.nextCursor, 'base64url').toString('latin1') };
}

function toWirePage<T>(page: Page<T>): Page<T> {
  return { data: page.data, nextCursor: page.nextCursor === null ? null : Buffer.from(page.nextCursor, 'latin1').toString('base64url') };
}

/** The id names the place: receivedAt-sequence-position. */
function keyOfDeadLetter(id: string): string {
  const [receivedAt, sequence, position] = id.split('-').map(Number);
  return deadLetterKey(receivedAt, sequence, position).toString('latin1');
}
