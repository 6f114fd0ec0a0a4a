import { SinkPump } from '../../src/actors/sinks/pump.ts';
import { Backoff } from '../../src/actors/sinks/backoff.ts';
import { SinkLane } from '../../src/actors/sinks/lane.ts';
import { RegionTurns } from '../../src/actors/sinks/region-turns.ts';
import { replaced, type PlantedBug } from './planted-bug.ts';

/** Mistakes that a pump invites; see planted-bug.ts. */

export const SINK_BUGS: readonly PlantedBug[] = [
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
