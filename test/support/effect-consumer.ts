import { expect } from 'vitest';
import type { RegionPart, ShardAnswers } from '../../src/actors/shard/protocol.ts';
import type { EffectBatch } from '../../src/actors/sinks/protocol.ts';
import type { Anomaly } from '../../src/model/anomaly.ts';
import type { DeadLetter } from '../../src/model/queries.ts';
import { openWindowBlock } from '../../src/model/window-block.ts';
import { GRANULARITIES, GRANULARITY_MS, type MeterWindow } from '../../src/model/window.ts';
import type { ShardHarness } from './shard-harness.ts';

/** What a consumer has written; a copy of it is a backup of its database. */
interface Written {
  windows: Map<string, MeterWindow>;
  /** Of each regional window named, this shard's part as it was when it was written. */
  parts: Map<string, RegionPart>;
  anomalies: Map<string, Anomaly>;
  deadLetters: Map<string, DeadLetter>;
  /** Where the next piece begins. */
  cursor: string | null;
}

/** Of a shard that goes on meanwhile, more pieces than any test has things. */
const PIECES_MAX = 5_000;
const FOREVER_MS = 1e13;

/** A system beside a shard under test: takes its effects, a newer revision of a window before an older one. */
export class EffectConsumer {
  readonly name: string;
  written: Written = { windows: new Map(), parts: new Map(), anomalies: new Map(), deadLetters: new Map(), cursor: null };
  private readonly harness: ShardHarness;

  constructor(name: string, harness: ShardHarness) {
    this.name = name;
    this.harness = harness;
  }

  read(windowsMax: number, position = this.written.cursor): EffectBatch {
    return this.harness.ask<'effects'>({ kind: 'effects', consumer: this.name, position, windowsMax });
  }

  write(batch: EffectBatch): void {
    const { written } = this;
    const block = openWindowBlock(batch.windows);
    expect(block.count).toBe(batch.windowCount);
    const seen = new Set<string>();
    for (let i = 0; i < block.count; i++) {
      const window = block.windowAt(i);
      const key = keyOfWindow(window);
      expect(seen.has(key), `${key} occurs twice in a piece`).toBe(false);
      seen.add(key);
      // As it is now, with nothing of a neighbour's.
      const { meterId, granularity, windowStart, windowEnd } = window;
      expect(this.harness.ask<'meterWindows'>({ kind: 'meterWindows', meterId, query: { granularity, from: windowStart, to: windowEnd, limit: 1, cursor: null } })?.data).toEqual([window]);
      const known = written.windows.get(key);
      if (known !== undefined && known.revision === window.revision) expect(window).toEqual(known);
      if (known === undefined || window.revision > known.revision) written.windows.set(key, window);
    }
    for (const { region, granularity, windowStart } of batch.regionWindows) {
      const [part] = this.harness.ask<'regionParts'>({ kind: 'regionParts', region, granularity, from: windowStart, to: windowStart + GRANULARITY_MS[granularity], limit: 1, withOpen: false });
      written.parts.set(keyOfPart(part), part);
    }
    for (const anomaly of batch.anomalies) written.anomalies.set(anomaly.id, anomaly);
    for (const letter of batch.deadLetters) written.deadLetters.set(letter.id, letter);
    written.cursor = batch.position;
  }

  acknowledge(): void {
    if (this.written.cursor !== null) this.harness.ask<'acknowledgeEffects'>({ kind: 'acknowledgeEffects', consumer: this.name, position: this.written.cursor });
  }

  /** Writes pieces until nothing comes after. */
  catchUp(windowsMax: number): void {
    for (let pieces = 0; pieces < PIECES_MAX; pieces++) {
      const batch = this.read(windowsMax);
      this.write(batch);
      this.acknowledge();
      if (batch.isLast) return;
    }
    throw new Error(`${this.name} never came to the end`);
  }

  backup(): Written {
    const { windows, parts, anomalies, deadLetters, cursor } = this.written;
    return { windows: new Map(windows), parts: new Map(parts), anomalies: new Map(anomalies), deadLetters: new Map(deadLetters), cursor };
  }

  /** It has everything that the shard has, and nothing else. */
  expectAll(): void {
    const { harness, written } = this;
    const windows = allWindows(harness);
    expect(sorted(written.windows)).toEqual(sorted(new Map(windows.map((window) => [keyOfWindow(window), window]))));
    const regions = harness.actor.state.ledger.liveParts().map(({ region }) => region);
    const parts = regions.flatMap((region) =>
      GRANULARITIES.flatMap((granularity) => harness.ask<'regionParts'>({ kind: 'regionParts', region, granularity, from: 0, to: FOREVER_MS, limit: 1e6, withOpen: false })),
    );
    expect(sorted(written.parts)).toEqual(sorted(new Map(parts.map((part) => [keyOfPart(part), part]))));
    const page = { from: 0, to: FOREVER_MS, limit: 1e6, cursor: null };
    const anomalies: ShardAnswers['anomalies'] = harness.ask<'anomalies'>({ kind: 'anomalies', query: { meterId: null, region: null, kind: null, severity: null, open: false, ...page } });
    expect(sorted(written.anomalies)).toEqual(sorted(new Map(anomalies.data.map((anomaly) => [anomaly.id, anomaly]))));
    const letters: ShardAnswers['deadLetters'] = harness.ask<'deadLetters'>({ kind: 'deadLetters', query: { code: null, meterId: null, ...page } });
    expect(sorted(written.deadLetters)).toEqual(sorted(new Map(letters.data.map((letter) => [letter.id, letter]))));
  }
}

/** Closed windows of all meters. */
export function allWindows(harness: ShardHarness): MeterWindow[] {
  const { data } = harness.ask<'meters'>({ kind: 'meters', query: { region: null, limit: 1e6, cursor: null } });
  return data.flatMap(({ meterId }) => GRANULARITIES.flatMap((granularity) => harness.windowsOf(meterId, granularity, 1e6))).filter(({ final }) => final);
}

function keyOfWindow({ meterId, granularity, windowStart }: MeterWindow): string {
  return `${meterId}/${granularity}/${windowStart}`;
}

function keyOfPart({ region, granularity, windowStart }: RegionPart): string {
  return `${region}/${granularity}/${windowStart}`;
}

function sorted<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}
