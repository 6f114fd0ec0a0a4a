import { expect } from 'vitest';
import type { PartitionActor } from '../../src/actors/kafka-log/partition-actor.ts';
import type { RegionPart } from '../../src/actors/shard/protocol.ts';
import { BEGINNING, REGIONS_CONSUMER, type EffectBatch } from '../../src/actors/sinks/protocol.ts';
import type { Anomaly } from '../../src/model/anomaly.ts';
import type { DeadLetter } from '../../src/model/queries.ts';
import { openWindowBlock } from '../../src/model/window-block.ts';
import { GRANULARITIES, type MeterWindow } from '../../src/model/window.ts';
import { OperationalError } from '../../src/runtime/errors.ts';

/** A database that the nodes of a cluster write one partition's effects to, as their pumps do: in pieces, from its cursor, which only he may move who found it where he last saw it. */

export const CONSUMERS = ['timescale', `timescale${REGIONS_CONSUMER}`] as const;
type Consumer = (typeof CONSUMERS)[number];

interface Piece {
  consumer: Consumer;
  from: string;
  batch: EffectBatch;
  parts: RegionPart[];
}

const FOREVER = { from: 0, to: 1e13, limit: 1e6, cursor: null } as const;

export class SharedDatabase {
  private readonly cursors = new Map<Consumer, string>();
  private readonly windows = new Map<string, MeterWindow>();
  private readonly parts = new Map<string, RegionPart>();
  private readonly anomalies = new Map<string, Anomaly>();
  private readonly deadLetters = new Map<string, DeadLetter>();

  /** What a node that has, or thinks it has, the partition reads to write it. Null: it gives nothing. `owner` answers for regional windows; null: nobody does. */
  read(consumer: Consumer, reader: PartitionActor, owner: PartitionActor | null, windowsMax: number): Piece | null {
    const from = this.cursors.get(consumer) ?? BEGINNING;
    let batch: EffectBatch;
    try {
      batch = reader.ask<'effects'>({ kind: 'effects', consumer, position: from, windowsMax });
    } catch (error) {
      if (error instanceof OperationalError && error.code === 'unavailable') return null;
      throw error;
    }
    if (consumer.endsWith(REGIONS_CONSUMER)) expect([batch.windowCount, batch.anomalies, batch.deadLetters]).toEqual([0, [], []]);
    else expect(batch.regionWindows).toEqual([]);
    if (batch.regionWindows.length > 0 && owner === null) return null;
    const parts = owner === null ? [] : owner.ask<'regionPartsByKey'>({ kind: 'regionPartsByKey', keys: batch.regionWindows });
    return { consumer, from, batch, parts };
  }

  /** Writes all of it or, when the cursor has moved since, nothing. */
  write({ consumer, from, batch, parts }: Piece, acknowledgeTo: PartitionActor | null): void {
    if ((this.cursors.get(consumer) ?? BEGINNING) !== from) return;
    // Everything is sent once: who is behind the cursor must not begin with it again.
    expect(from !== BEGINNING && !isScan(from) && isScan(batch.position), `a scan after ${from}`).toBe(false);
    const block = openWindowBlock(batch.windows);
    for (let i = 0; i < block.count; i++) {
      const window = block.windowAt(i);
      const known = this.windows.get(keyOf(window));
      if (known !== undefined && known.revision === window.revision) expect(window).toEqual(known);
      if (known === undefined || window.revision > known.revision) this.windows.set(keyOf(window), window);
    }
    for (const part of parts) if (part.changes > (this.parts.get(keyOf(part))?.changes ?? 0)) this.parts.set(keyOf(part), part);
    for (const anomaly of batch.anomalies) this.anomalies.set(anomaly.id, anomaly);
    for (const letter of batch.deadLetters) this.deadLetters.set(letter.id, letter);
    this.cursors.set(consumer, batch.position);
    acknowledgeTo?.ask<'acknowledgeEffects'>({ kind: 'acknowledgeEffects', consumer, position: batch.position });
  }

  catchUp(owner: PartitionActor): void {
    for (const consumer of CONSUMERS) {
      for (let isLast = false; !isLast; ) {
        const piece = this.read(consumer, owner, owner, 20)!;
        this.write(piece, owner);
        ({ isLast } = piece.batch);
      }
    }
  }

  /** It has what the actor shows, and nothing else. */
  expectAll(actor: PartitionActor, meters: readonly string[], regions: readonly string[]): void {
    const windows = meters.flatMap((meterId) => GRANULARITIES.flatMap((granularity) => actor.ask<'meterWindows'>({ kind: 'meterWindows', meterId, query: { ...FOREVER, granularity } })?.data ?? []));
    expect(sorted(this.windows.values())).toEqual(sorted(windows.filter(({ final }) => final)));
    const parts = regions.flatMap((region) => GRANULARITIES.flatMap((granularity) => actor.ask<'regionParts'>({ kind: 'regionParts', region, granularity, ...FOREVER, withOpen: false })));
    expect(sorted(this.parts.values())).toEqual(sorted(parts));
    const anomalies = actor.ask<'anomalies'>({ kind: 'anomalies', query: { ...FOREVER, meterId: null, region: null, kind: null, severity: null, open: false } });
    expect(sorted(this.anomalies.values())).toEqual(sorted(anomalies.data));
    const letters = actor.ask<'deadLetters'>({ kind: 'deadLetters', query: { ...FOREVER, code: null, meterId: null } });
    expect(sorted(this.deadLetters.values())).toEqual(sorted(letters.data));
  }
}

/** As shard/effect-place.ts writes it. */
function isScan(position: string): boolean {
  return /^g[^:]+:s:/.test(position);
}

function keyOf(of: MeterWindow | RegionPart): string {
  return `${'meterId' in of ? of.meterId : of.region}/${of.granularity}/${of.windowStart}`;
}

function sorted<T>(values: Iterable<T>): T[] {
  return [...values].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}
