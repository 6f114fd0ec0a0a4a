import type { ShardActor } from '../../src/actors/shard/actor.ts';
import type { OutboxOptions } from '../../src/actors/shard/outbox.ts';
import type { EffectBatch } from '../../src/actors/sinks/protocol.ts';
import { GRANULARITIES, type MeterWindow } from '../../src/model/window.ts';
import { openWindowBlock } from '../../src/model/window-block.ts';
import type { Random } from './random.ts';
import type { Watch, WatchedWorld } from './watched-world.ts';

/** A system beside the engine that outlives every process: reads the shards' outboxes now and then, forgets to say so, loses what it read. */

const CONSUMER = 'timescale';
const FOREVER_MS = 1e13;
const MANY = 1e6;
/** More than a shard has things at the end of a run. */
const PIECES_MAX = 1_000;

/** Every third run has an outbox, every other one of these a tight one. */
export function outboxOf(seed: number): OutboxOptions | undefined {
  return seed % 3 === 0 ? { consumers: [CONSUMER], bytesMax: seed % 2 === 0 ? 2_000 : 1e9 } : undefined;
}

export class EffectWatch implements Watch {
  private readonly random: Random;
  private readonly windows = new Map<string, MeterWindow>();
  private readonly anomalies = new Map<string, string>();
  private readonly deadLetters = new Set<string>();
  /** By shard; kept when they become another number, as a database would. */
  private readonly cursors = new Map<number, string>();

  constructor(random: Random) {
    this.random = random;
  }

  /** Between two steps of a plan. */
  look(world: WatchedWorld): void {
    for (const [shard, { actor, thread }] of world.engine!.shards) {
      if (!thread.alive || !this.random.chance(0.3)) continue;
      const batch = this.read(actor, shard, this.random.pick([1, 5, 100]));
      if (this.random.chance(0.2)) continue;
      this.write(world, batch);
      if (this.random.chance(0.7)) this.acknowledge(actor, shard);
    }
  }

  /** The window as it was given last. */
  windowLike(window: Pick<MeterWindow, 'meterId' | 'granularity' | 'windowStart'>): MeterWindow | undefined {
    return this.windows.get(keyOf(window));
  }

  /** At rest: nothing of what the shards have may be missing. */
  end(world: WatchedWorld): void {
    for (const [shard, { actor }] of world.engine!.shards) {
      let pieces = 0;
      for (let isLast = false; !isLast; pieces++) {
        const batch = this.read(actor, shard, 50);
        this.write(world, batch);
        this.acknowledge(actor, shard);
        ({ isLast } = batch);
        if (pieces === PIECES_MAX) return world.fail(`the outbox of shard ${shard} has no end`);
      }
      this.compare(world, actor);
    }
  }

  private read(actor: ShardActor, shard: number, windowsMax: number): EffectBatch {
    return actor.ask<'effects'>({ kind: 'effects', consumer: CONSUMER, position: this.cursors.get(shard) ?? null, windowsMax });
  }

  private acknowledge(actor: ShardActor, shard: number): void {
    actor.ask<'acknowledgeEffects'>({ kind: 'acknowledgeEffects', consumer: CONSUMER, position: this.cursors.get(shard)! });
  }

  private write(world: WatchedWorld, batch: EffectBatch): void {
    const block = openWindowBlock(batch.windows);
    for (let i = 0; i < block.count; i++) {
      const window = block.windowAt(i);
      const key = keyOf(window);
      const known = this.windows.get(key);
      if (known?.revision === window.revision && JSON.stringify(known) !== JSON.stringify(window)) world.fail(`window ${key} was given with revision ${window.revision} as ${JSON.stringify(known)}, then as ${JSON.stringify(window)}`);
      if (known === undefined || window.revision > known.revision) this.windows.set(key, window);
    }
    for (const anomaly of batch.anomalies) this.anomalies.set(anomaly.id, JSON.stringify(anomaly));
    for (const { id } of batch.deadLetters) this.deadLetters.add(id);
    this.cursors.set(batch.shard, batch.position);
  }

  private compare(world: WatchedWorld, actor: ShardActor): void {
    const { data } = actor.ask<'meters'>({ kind: 'meters', query: { region: null, limit: MANY, cursor: null } });
    for (const { meterId } of data) {
      for (const granularity of GRANULARITIES) {
        const windows = actor.ask<'meterWindows'>({ kind: 'meterWindows', meterId, query: { granularity, from: 0, to: FOREVER_MS, limit: MANY, cursor: null } })!.data;
        for (const window of windows) {
          const given = this.windows.get(keyOf(window));
          if (window.final && JSON.stringify(given) !== JSON.stringify(window)) world.fail(`the outbox gave ${JSON.stringify(given)} where the shard has ${JSON.stringify(window)}`);
        }
      }
    }
    const page = { from: 0, to: FOREVER_MS, limit: MANY, cursor: null };
    for (const anomaly of actor.ask<'anomalies'>({ kind: 'anomalies', query: { meterId: null, region: null, kind: null, severity: null, open: false, ...page } }).data) {
      const given = this.anomalies.get(anomaly.id);
      if (given !== JSON.stringify(anomaly)) world.fail(`the outbox gave ${given} where the shard has ${JSON.stringify(anomaly)}`);
    }
    for (const { id } of actor.ask<'deadLetters'>({ kind: 'deadLetters', query: { code: null, meterId: null, ...page } }).data) {
      if (!this.deadLetters.has(id)) world.fail(`the outbox never gave dead letter ${id}`);
    }
  }
}

function keyOf({ meterId, granularity, windowStart }: Pick<MeterWindow, 'meterId' | 'granularity' | 'windowStart'>): string {
  return `${meterId} ${granularity} ${windowStart}`;
}
