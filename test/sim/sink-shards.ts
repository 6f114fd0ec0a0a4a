import type { EffectBatch, RegionWindowKey } from '../../src/actors/sinks/protocol.ts';
import type { Anomaly } from '../../src/model/anomaly.ts';
import type { DeadLetter } from '../../src/model/queries.ts';
import type { RegionWindow } from '../../src/model/window.ts';
import { SINK_METERS, WINDOWS_PER_METER, type EffectKey } from './sink-plan.ts';

/** The shards' side of a run: what there is, as versions, and an outbox for each shard that says in which order it changed. Both outlive every process. */

const MINUTE_MS = 60_000;

/** Which piece of an outbox a batch is. */
export interface Piece {
  generation: number;
  shard: number;
  from: number;
  to: number;
}

interface Outbox {
  entries: EffectKey[];
  /** Entries before it are forgotten: they were acknowledged. */
  forgottenBefore: number;
}

export class SimShards {
  generation = 0;
  outboxes: Outbox[] = [];
  /** Pieces by the buffer of the batch they were given out as. */
  readonly pieces = new WeakMap<ArrayBuffer, Piece>();
  readonly versions = new Map<EffectKey, number>();
  private readonly regions: number;

  constructor(shards: number, regions: number) {
    this.regions = regions;
    this.redistribute(shards);
  }

  /** New outboxes, in which everything there is stands once. */
  redistribute(shards: number): void {
    this.generation++;
    this.outboxes = Array.from({ length: shards }, () => ({ entries: [], forgottenBefore: 0 }));
    for (const key of this.versions.keys()) this.outboxOf(key).entries.push(key);
  }

  change(key: EffectKey): void {
    this.versions.set(key, this.version(key) + 1);
    this.outboxOf(key).entries.push(key);
  }

  /** Some change for each shard. */
  changeEach(): void {
    for (let shard = 0; shard < this.outboxes.length; shard++) this.change(`window ${shard * WINDOWS_PER_METER}`);
  }

  version(key: EffectKey): number {
    return this.versions.get(key) ?? 0;
  }

  /** Throws when the position is one that a consumer can no longer go on from. */
  read(shard: number, position: string | null, windowsMax: number): EffectBatch {
    const { entries, forgottenBefore } = this.outboxes[shard];
    const from = this.sequenceOf(shard, position) ?? forgottenBefore;
    if (from < forgottenBefore) throw new Error(`shard ${shard} is read from ${from} and has forgotten what was before ${forgottenBefore}`);
    const keys = new Set<EffectKey>();
    let to = from;
    for (let windows = 0; to < entries.length && windows < windowsMax && to - from < windowsMax * 4; to++) {
      if (keys.has(entries[to])) continue;
      keys.add(entries[to]);
      if (entries[to].startsWith('window')) windows++;
    }
    const batch = this.pack(shard, [...keys]);
    this.pieces.set(batch.windows, { generation: this.generation, shard, from, to });
    return { ...batch, position: `${this.generation}-${shard}-${to}`, isLast: to === entries.length };
  }

  /** Where in the shard's outbox a position of this generation stands; null for any other. */
  sequenceOf(shard: number, position: string | null): number | null {
    if (position === null) return null;
    const [generation, owner, sequence] = position.split('-').map(Number);
    if (generation !== this.generation) return null;
    if (owner !== shard) throw new Error(`shard ${shard} is given the position ${position}`);
    return sequence;
  }

  regionWindow({ region, granularity, windowStart }: RegionWindowKey): RegionWindow {
    // The version of a regional window is the sum of the versions of its meters' windows, as its power is of theirs.
    const sumPowerKw = this.regionVersion(region, windowStart / MINUTE_MS);
    return {
      region, granularity, windowStart, windowEnd: windowStart + MINUTE_MS, metersReporting: 1, sumPowerKw, avgPowerKw: sumPowerKw, minPowerKw: 0, maxPowerKw: sumPowerKw,
      energyKwhSum: 0, capacityKw: null, loadPercent: null, final: false,
    };
  }

  /** All regional windows that there are, as `region/minute`, with their versions. */
  regionVersions(): Map<string, number> {
    const versions = new Map<string, number>();
    for (let region = 0; region < this.regions; region++) {
      for (let minute = 0; minute < WINDOWS_PER_METER; minute++) {
        const version = this.regionVersion(`r${region}`, minute);
        if (version > 0) versions.set(`r${region}/${minute}`, version);
      }
    }
    return versions;
  }

  private regionVersion(region: string, minute: number): number {
    let sum = 0;
    for (let meter = 0; meter < SINK_METERS; meter++) {
      if (`r${meter % this.regions}` === region) sum += this.version(`window ${meter * WINDOWS_PER_METER + minute}`);
    }
    return sum;
  }

  private outboxOf(key: EffectKey): Outbox {
    const index = Number(key.split(' ')[1]);
    const owner = key.startsWith('window') ? Math.floor(index / WINDOWS_PER_METER) : index;
    return this.outboxes[owner % this.outboxes.length];
  }

  private pack(shard: number, keys: EffectKey[]): Omit<EffectBatch, 'position' | 'isLast'> {
    const indexes = keys.filter((key) => key.startsWith('window')).map((key) => Number(key.split(' ')[1]));
    const windows = new Uint32Array(indexes.flatMap((index) => [index, this.version(`window ${index}`)]));
    const regionKeys = new Map<string, RegionWindowKey>();
    for (const index of indexes) {
      const region = `r${Math.floor(index / WINDOWS_PER_METER) % this.regions}`;
      const windowStart = (index % WINDOWS_PER_METER) * MINUTE_MS;
      regionKeys.set(`${region}/${windowStart}`, { region, granularity: '1m', windowStart });
    }
    return {
      shard,
      windows: windows.buffer,
      windowCount: indexes.length,
      regionWindows: [...regionKeys.values()],
      anomalies: keys.filter((key) => key.startsWith('anomaly')).map((key) => anomaly(key, this.version(key))),
      deadLetters: keys.filter((key) => key.startsWith('deadLetter')).map(deadLetter),
      alerts: [], billing: [],
    };
  }
}

/** The version of an anomaly is its score. */
function anomaly(id: string, version: number): Anomaly {
  return { id, meterId: 'm', region: 'r0', kind: 'spike', severity: 'INFO', startedAt: 0, endedAt: null, endReason: null, value: 1, expected: 1, score: version, message: '' };
}

function deadLetter(id: string): DeadLetter {
  return { id, receivedAt: 0, code: 'conflict', message: '', index: 0, meterId: null, raw: '' };
}
