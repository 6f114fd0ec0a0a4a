import type { BodyFormat } from '../../actors/ingest/protocol.ts';
import type { WireElement, WireReading } from '../wire-reading.ts';
import { BrokenReadings } from './broken-readings.ts';
import { DueQueue } from './due-queue.ts';
import type { Fleet } from './fleet.ts';
import type { SimulationMode } from './scenario.ts';
import { DRAW, draw } from './seeded-random.ts';

export interface DeliveryOptions {
  seed: number;
  modes: ReadonlySet<SimulationMode>;
  format: BodyFormat;
  /** After this many later readings one surely has its ack: batch size × requests in flight, and one batch more. */
  settledAfter: number;
}

/** Readings held back at most (duplicates and late ones on their way): about 60 MB. Past it a reading is delivered at once. */
export const HELD_BACK_MAX = 200_000;
/** Earlier readings remembered to make conflicts with: a sample of the last `settledAfter`. */
const SETTLED_MAX = 256;
const DUPLICATE_SHARE = 0.05;
const DUPLICATE_DELAY_MS_MAX = 60_000;
const BROKEN_SHARE = 0.05;
/** A meter loses its connection for a whole slot of this length … */
const LATE_SLOT_MS = 900_000;
const LATE_SHARE = 0.05;
/** … and delivers up to this long after it; the cube of an even draw, so most delays are minutes. */
const LATE_DELAY_MS_MAX = 3 * 3_600_000;

/**
 * How the fleet's readings reach the engine: in order, or doubled, late and with broken ones between them. Only adds and delays: the set of good readings is the
 * fleet's, so these modes must not change any result.
 */
export class Delivery {
  private readonly fleet: Fleet;
  private readonly options: DeliveryOptions;
  private readonly broken: BrokenReadings;
  private readonly heldBackReadings = new DueQueue<WireReading>();
  private readonly settled: WireReading[] = [];
  private overflow: WireElement[] = [];
  private taken = 0;
  private newestMs: number;

  constructor(fleet: Fleet, startMs: number, options: DeliveryOptions) {
    this.fleet = fleet;
    this.options = options;
    this.broken = new BrokenReadings(options.format);
    this.newestMs = startMs;
  }

  /** Readings that were taken but not handed out yet. */
  get heldBack(): number {
    return this.heldBackReadings.size + this.overflow.length;
  }

  /** Event time up to which the fleet has been read. */
  get eventTimeMs(): number {
    return this.newestMs;
  }

  /** When the next element is due, event time; Infinity when all have been handed out. */
  get nextDueMs(): number {
    if (this.overflow.length > 0) return this.newestMs;
    return Math.min(this.fleet.nextTimeMs, this.heldBackReadings.nextDueMs);
  }

  /** Up to `max` elements that are due before `beforeMs` (event time), in order of delivery. */
  next(max: number, beforeMs: number): WireElement[] {
    const out = this.overflow;
    while (out.length < max) {
      const dueMs = Math.min(this.heldBackReadings.nextDueMs, this.fleet.nextTimeMs);
      if (dueMs === Infinity || dueMs >= beforeMs) break;
      this.newestMs = Math.max(this.newestMs, dueMs);
      const waiting = this.heldBackReadings.shift(dueMs);
      if (waiting !== null) {
        out.push(waiting);
        continue;
      }
      const reading = this.fleet.step();
      if (reading !== null) this.deliver(reading, out);
    }
    this.overflow = out.splice(max);
    return out;
  }

  private deliver(reading: WireReading, out: WireElement[]): void {
    const { seed, modes } = this.options;
    const count = this.taken++;
    const room = this.heldBackReadings.size < HELD_BACK_MAX;
    const lateMs = modes.has('late') && room ? this.lateUntil(reading) : 0;
    if (lateMs > 0) this.heldBackReadings.push(lateMs, reading);
    else out.push(reading);
    if (modes.has('duplicates')) this.duplicate(reading, count, Math.max(lateMs, this.newestMs), out);
    if (modes.has('broken')) {
      if (draw(seed, DRAW.broken, count) < BROKEN_SHARE) out.push(this.broken.next(reading, this.oldestSettled()).element);
      if (lateMs === 0 && count % Math.ceil(this.options.settledAfter / SETTLED_MAX) === 0) this.settle(reading);
    }
  }

  private duplicate(reading: WireReading, count: number, fromMs: number, out: WireElement[]): void {
    const { seed } = this.options;
    if (draw(seed, DRAW.duplicate, count) >= DUPLICATE_SHARE) return;
    const delay = draw(seed, DRAW.duplicate, count, 1);
    if ((delay < 0.3 && fromMs === this.newestMs) || this.heldBackReadings.size >= HELD_BACK_MAX) out.push(reading);
    else this.heldBackReadings.push(fromMs + Math.round(delay * DUPLICATE_DELAY_MS_MAX), reading);
  }

  /** When a reading taken without a connection arrives; 0 when its meter has one. All of a meter's slot arrive together. */
  private lateUntil(reading: WireReading): number {
    const { seed } = this.options;
    const slot = Math.floor(this.newestMs / LATE_SLOT_MS);
    const meter = Number(reading.meterId.slice('meter-'.length));
    if (draw(seed, DRAW.late, meter, slot) >= LATE_SHARE) return 0;
    return (slot + 1) * LATE_SLOT_MS + Math.round(LATE_DELAY_MS_MAX * draw(seed, DRAW.late, meter, -1 - slot) ** 3);
  }

  /** A conflict needs a reading that was surely accepted: one that was handed out long ago. */
  private oldestSettled(): WireReading | null {
    return this.settled.length === SETTLED_MAX ? this.settled[0] : null;
  }

  private settle(reading: WireReading): void {
    if (this.settled.length === SETTLED_MAX) this.settled.shift();
    this.settled.push(reading);
  }
}
