import { asKnownOutside } from '../../src/actors/sinks/shard-effects.ts';
import { ShardActor } from '../../src/actors/shard/actor.ts';
import { DEFAULT_DETECTION } from '../../src/actors/shard/detection/detection-config.ts';
import type { OutboxOptions } from '../../src/actors/shard/outbox.ts';
import type { AppendReply, RegionPart, ShardAnswers, ShardQuery } from '../../src/actors/shard/protocol.ts';
import { redistribute, type RedistributionReport } from '../../src/actors/shard/redistribution.ts';
import type { ShardStore } from '../../src/actors/shard/shard-store.ts';
import type { ShardStateConfig } from '../../src/actors/shard/state.ts';
import type { Finding } from '../../src/actors/shard/verify-findings.ts';
import { verifyShard } from '../../src/actors/shard/verify.ts';
import { QUARTER_MS, type EnergyQuarter } from '../../src/model/energy.ts';
import { partitionOf, shardOfPartition } from '../../src/model/ids.ts';
import { GRANULARITIES, type Granularity, type MeterWindow } from '../../src/model/window.ts';
import type { Log } from '../../src/runtime/log.ts';
import { MemoryDisk } from '../../src/runtime/memory-disk.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { memoryShardStore } from './memory-shard-store.ts';
import { appendOf, type TestReading } from './packed-readings.ts';

/** Several real shard actors on one virtual clock and stores in memory, which can be killed and started again as another number of shards. */

export interface FleetOptions {
  startMs: number;
  shards: number;
  partitionCount: number;
  latenessMs: number;
  correctionHorizonMs: number;
  intervalMs: number;
  pagesPerStepMax: number;
  journalKeepBytesMax: number;
  segmentBytesMax?: number;
  outbox?: OutboxOptions;
}

const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => SILENT };
const DRAIN_TURNS_MAX = 200;
const FOREVER_MS = 1e13;
const MANY = 1e6;

export class ShardFleet {
  disks: MemoryDisk[];
  actors: ShardActor[] = [];
  time: VirtualTime;
  /** May change while the process is dead. */
  readonly options: FleetOptions;
  private clockOffsetMs = 0;
  private failure: unknown = null;

  constructor(options: FleetOptions) {
    this.options = { ...options };
    this.time = new VirtualTime(options.startMs);
    this.disks = Array.from({ length: options.shards }, () => new MemoryDisk());
  }

  get shards(): number {
    return this.disks.length;
  }

  get stateConfig(): ShardStateConfig {
    const { partitionCount, latenessMs, correctionHorizonMs } = this.options;
    return { partitionCount, latenessMs, correctionHorizonMs, metersMax: 10_000, regionsMax: 100, readingIdBuckets: 1_024, detection: DEFAULT_DETECTION };
  }

  async start(): Promise<void> {
    const { time, options, shards } = this;
    this.actors = this.disks.map(
      (disk, shard) =>
        new ShardActor(
          {
            shard,
            shardCount: shards,
            state: this.stateConfig,
            checkpoint: { stepMs: 100, intervalMs: options.intervalMs, pagesPerStepMax: options.pagesPerStepMax, blockSamplesMin: 2 },
            journalBytesMax: 1e9,
            journalKeepBytesMax: options.journalKeepBytesMax,
            deadLettersMax: MANY,
            anomaliesMax: MANY,
            outbox: options.outbox,
          },
          {
            store: this.open(disk),
            clock: { now: () => time.now() + this.clockOffsetMs, monotonic: () => time.monotonic() },
            timers: time,
            log: SILENT,
            onReport: () => {},
            onFailure: (error) => (this.failure = error),
          },
        ),
    );
    for (const actor of this.actors) await actor.start();
  }

  /** Sends each reading to the shard that owns it; resolves with the outcomes in order once all are answered. */
  async send(readings: readonly TestReading[]): Promise<number[]> {
    const outcomes = new Array<number>(readings.length).fill(0);
    let waiting = 0;
    for (let shard = 0; shard < this.shards; shard++) {
      const places = readings.flatMap(({ meterId }, i) => (this.ownerOf(meterId) === shard ? [i] : []));
      if (places.length === 0) continue;
      waiting++;
      this.actors[shard].append(
        appendOf(places.map((i) => readings[i])),
        {
          ok: (reply: AppendReply) => {
            waiting--;
            reply.outcomes?.forEach((outcome, k) => (outcomes[places[k]] = outcome));
          },
          fail: (error) => (this.failure = error),
        },
      );
    }
    for (let turn = 0; waiting > 0; turn++) {
      if (turn === DRAIN_TURNS_MAX) throw new Error('a batch was never answered');
      await this.advance(0);
    }
    return outcomes;
  }

  async advance(ms: number): Promise<void> {
    await this.time.advanceSettled(ms);
    if (this.failure !== null) throw this.failure;
  }

  jumpClock(byMs: number): void {
    this.clockOffsetMs += byMs;
  }

  /** kill -9 of the process. */
  crash(): void {
    this.disks = this.disks.map((disk) => disk.crash('kept'));
    this.time = new VirtualTime(this.time.now());
  }

  async stop(): Promise<void> {
    for (const actor of this.actors) await actor.stop();
    this.crash();
  }

  /**
   * Makes it another number of shards; start() comes next. With `dieAtCommit` the process dies at that commit of the redistribution, and what is
   * there afterwards are the old shards; false then.
   */
  async redistribute(to: number, dieAtCommit = Infinity): Promise<RedistributionReport | false> {
    let commits = 0;
    const takeCommit = async (): Promise<void> => {
      if (++commits > dieAtCommit) throw new Error('the process died');
    };
    const old = this.disks.map((disk) => disk.crash('lost', 'lost', { takeCommit }));
    const made = Array.from({ length: to }, () => new MemoryDisk({ takeCommit }));
    try {
      const report = await redistribute({ from: this.shards, to, state: this.stateConfig, nextState: this.stateConfig }, { openOld: (shard) => this.open(old[shard]), openNew: (shard) => this.open(made[shard]) });
      this.disks = made.map((disk) => disk.crash('lost', 'lost', {}));
      return report;
    } catch (error) {
      if ((error as Error).message !== 'the process died') throw error;
      this.disks = old.map((disk) => disk.crash('lost', 'lost', {}));
      return false;
    }
  }

  /** What `seg verify` finds in the stores as they are. */
  verify(): Finding[] {
    return this.disks.flatMap((disk, shard) => verifyShard(this.open(disk), { shard, shardCount: this.shards, state: this.stateConfig }).findings);
  }

  /** Everything the shards know, as an engine would merge it. */
  answers(): Record<string, unknown> {
    const byText = (a: unknown, b: unknown) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
    const meters = this.all('meters', { kind: 'meters', query: { region: null, limit: MANY, cursor: null } }).flatMap(({ data }) => data);
    return {
      meters: meters.sort(byText),
      states: meters.map(({ meterId }) => this.ask('meter', meterId, { kind: 'meter', meterId })),
      windows: meters.flatMap(({ meterId }) => GRANULARITIES.map((granularity) => this.windowsOf(meterId, granularity))),
      energy: meters.map(({ meterId }) => this.energyOf(meterId, this.options.startMs / QUARTER_MS - 960, this.options.startMs / QUARTER_MS + 960)),
      parts: GRANULARITIES.map((granularity) => [...this.parts(granularity).values()].map(toComparable).sort(byText)),
      live: this.live(),
      anomalies: this.all('anomalies', { kind: 'anomalies', query: ANOMALIES }).flatMap(({ data }) => data).sort(byText),
      anomaliesOfMeters: meters.map(({ meterId }) => this.ask('anomalies', meterId, { kind: 'anomalies', query: { ...ANOMALIES, meterId } })),
      // As the systems beside the engine know them: they stay the same over all.
      deadLetters: this.all('deadLetters', { kind: 'deadLetters', query: DEAD_LETTERS }).flatMap(({ data }) => data.map((letter) => asKnownOutside(letter, null))).sort(byText),
    };
  }

  windowsOf(meterId: string, granularity: Granularity): MeterWindow[] {
    return this.ask('meterWindows', meterId, { kind: 'meterWindows', meterId, query: { granularity, from: 0, to: FOREVER_MS, limit: MANY, cursor: null } })?.data ?? [];
  }

  energyOf(meterId: string, from: number, to: number): EnergyQuarter[] {
    return this.ask('energyQuarters', meterId, { kind: 'energyQuarters', meterId, from, to }) ?? [];
  }

  /** Regional windows over all shards, by region and start. */
  parts(granularity: Granularity): Map<string, RegionPart> {
    const merged = new Map<string, RegionPart>();
    for (const region of Object.keys(this.live())) {
      for (const part of this.all('regionParts', { kind: 'regionParts', region, granularity, from: 0, to: FOREVER_MS, limit: MANY, withOpen: false }).flat()) {
        if (part.meters === 0) continue;
        const key = `${part.region}/${part.windowStart}`;
        const sum = merged.get(key);
        if (sum === undefined) merged.set(key, { ...part });
        else {
          for (const field of ['meters', 'powerHigh', 'powerLow', 'energyHigh', 'energyLow'] as const) sum[field] += part[field];
          sum.minPowerKw = Math.min(sum.minPowerKw, part.minPowerKw);
          sum.maxPowerKw = Math.max(sum.maxPowerKw, part.maxPowerKw);
        }
      }
    }
    return merged;
  }

  private open(disk: MemoryDisk): ShardStore {
    return memoryShardStore(disk, this.options.segmentBytesMax);
  }

  private live(): Record<string, unknown> {
    const sums: Record<string, Record<string, number>> = {};
    for (const actor of this.actors) {
      for (const { region, ...part } of actor.state.ledger.liveParts()) {
        const sum = (sums[region] ??= {});
        for (const [field, value] of Object.entries(part)) sum[field] = (sum[field] ?? 0) + value;
      }
    }
    return Object.fromEntries(Object.entries(sums).sort().map(([region, { loadHigh, loadLow, ...rest }]) => [region, { ...rest, loadUnits: loadHigh * 2 ** 24 + loadLow }]));
  }

  private ownerOf(meterId: string): number {
    return shardOfPartition(partitionOf(meterId, this.options.partitionCount), this.shards);
  }

  private all<K extends ShardQuery['kind']>(_kind: K, query: Extract<ShardQuery, { kind: K }>): ShardAnswers[K][] {
    return this.actors.map((actor) => actor.ask<K>(query));
  }

  private ask<K extends ShardQuery['kind']>(_kind: K, meterId: string, query: Extract<ShardQuery, { kind: K }>): ShardAnswers[K] {
    return this.actors[this.ownerOf(meterId)].ask<K>(query);
  }
}

const ANOMALIES = { meterId: null, region: null, kind: null, severity: null, open: false, from: 0, to: FOREVER_MS, limit: MANY, cursor: null };
const DEAD_LETTERS = { code: null, meterId: null, from: 0, to: FOREVER_MS, limit: MANY, cursor: null };

/** Halves of a sum may be carried differently. */
/** But how often it changed: that is of the store it was made in. */
function toComparable({ powerHigh, powerLow, energyHigh, energyLow, changes: _changes, ...rest }: RegionPart): unknown {
  const whole = (high: number, low: number) => String(BigInt(high) * 2n ** 24n + BigInt(low));
  return { ...rest, power: whole(powerHigh, powerLow), energy: whole(energyHigh, energyLow) };
}
