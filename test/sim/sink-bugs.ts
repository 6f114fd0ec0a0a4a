import { SinkPump } from '../../src/actors/sinks/pump.ts';
import { Backoff } from '../../src/actors/sinks/backoff.ts';
import { SinkLane } from '../../src/actors/sinks/lane.ts';
import { RegionTurns } from '../../src/actors/sinks/region-turns.ts';
import { makeSinkPlan } from './sink-plan.ts';
import { runSinkPlan } from './sink-world.ts';

/** Mistakes that a pump invites, made in the running code one at a time; see planted-bugs.ts. */

export interface SinkBug {
  name: string;
  /** Makes the mistake; gives what takes it back. */
  plant(): () => void;
}

// Private parts have no types from outside.
type Inside = any;

/** Puts `make(original)` in the place of a method. */
function replaced(owner: { prototype: object }, method: string, make: (original: (...args: Inside[]) => Inside) => (this: Inside, ...args: Inside[]) => Inside): () => void {
  const prototype = owner.prototype as Record<string, Inside>;
  const original = prototype[method];
  if (typeof original !== 'function') throw new Error(`there is no ${method} to plant a bug in`);
  prototype[method] = make(original);
  return () => {
    prototype[method] = original;
  };
}

export const SINK_BUGS: readonly SinkBug[] = [
  {
    name: 'acknowledges a batch as it begins to write it',
    plant: () =>
      replaced(SinkLane, 'writeBegins', (writeBegins) => function (held) {
        writeBegins.call(this, held);
        this.toAcknowledge = held.batch.position;
        this.isAcknowledged = false;
      }),
  },
  {
    name: 'leaves out a batch whose write failed',
    plant: () =>
      replaced(SinkLane, 'placed', (placed) => function (cursor, nowMs) {
        const failed = this.phase === 'unsure';
        placed.call(this, cursor, nowMs);
        if (!failed || this.current === null || this.current.from !== this.position) return;
        this.position = this.current.batch.position;
        this.current = this.ahead;
        this.ahead = null;
      }),
  },
  {
    name: 'does not look at the cursor after a failed write',
    plant: () => replaced(SinkLane, 'placed', (placed) => function (cursor, nowMs) {
      placed.call(this, this.isPlaced ? null : cursor, nowMs);
    }),
  },
  {
    name: 'does not open the writer again after a failed write',
    plant: () =>
      replaced(SinkPump, 'writeFailed', (writeFailed) => function (lane, error) {
        writeFailed.call(this, lane, error);
        this.connection = 'open';
        lane.phase = 'none';
      }),
  },
  {
    name: 'asks for regional windows without waiting for its turn',
    plant: () => replaced(RegionTurns, 'take', () => () => true),
  },
  {
    name: 'writes a batch again with the regional windows of its first attempt',
    plant: () => replaced(SinkPump, 'write', (write) => function (lane, held, regionWindows) {
      held.firstAsked ??= regionWindows;
      return write.call(this, lane, held, held.firstAsked);
    }),
  },
  {
    name: 'writes the next batch while one is under way',
    plant: () =>
      replaced(SinkLane, 'nextRead', (nextRead) => function (nowMs) {
        if (this.phase === 'writing' && this.ahead !== null && this.isDoubled !== true) {
          this.isDoubled = true;
          const { ahead } = this;
          this.phase = 'none';
          this.current = ahead;
          this.position = ahead.from;
          this.ahead = null;
        }
        return nextRead.call(this, nowMs);
      }),
  },
  {
    name: 'opens the writer while others write',
    plant: () => replaced(SinkPump, 'isWriting', () => () => false),
  },
  {
    name: 'reads further and further ahead',
    plant: () =>
      replaced(SinkLane, 'mayRead', () => function () {
        return this.isPlaced && this.reading === null;
      }),
  },
  {
    name: 'gives up after an error that will not pass by itself',
    plant: () =>
      replaced(Backoff, 'failed', (failed) => function (retryable, nowMs) {
        failed.call(this, retryable, nowMs);
        if (!retryable) this.retryAt = Infinity;
      }),
  },
  {
    name: 'does not tell a shard that was away what is written',
    plant: () => replaced(SinkLane, 'nextAcknowledgement', (nextAcknowledgement) => function (nowMs, isEnding) {
      return this.failures > 0 ? null : nextAcknowledgement.call(this, nowMs, isEnding);
    }),
  },
];

/** The first seed whose run notices the bug, and what it says of it; null when none of `seeds` does. */
export async function findSinkBug(bug: SinkBug, steps: number, seeds: number): Promise<{ seed: number; problem: string } | null> {
  const takeBack = bug.plant();
  try {
    for (let seed = 1; seed <= seeds; seed++) {
      const { problem } = await runSinkPlan(makeSinkPlan(seed, steps));
      if (problem !== null) return { seed, problem };
    }
    return null;
  } finally {
    takeBack();
  }
}
