import { gunzip } from 'node:zlib';
import type { BodyIntake } from './body-intake.ts';

/** gzip bodies, inflated on Node's thread pool, few at a time and never past the limit of a plain body. */

/** At once, on Node's four pool threads: each may hold one inflated body, so 64 MiB together at the limit of 16 MiB. */
export const INFLATIONS_MAX = 4;
/** Bodies waiting for their turn. Their bytes count against the intake's memory; this bounds how long the last one waits. */
export const INFLATIONS_WAITING_MAX = 256;
/** Output grows in pieces of this size: zlib's default of 16 KiB costs a thousand calls for a full body. */
const INFLATE_CHUNK_BYTES = 256 * 1024;

export type InflationFault = 'too_large' | 'corrupt';

interface WaitingInflation {
  body: Uint8Array;
  done: (result: Uint8Array | InflationFault) => void;
}

export class ContentInflater {
  private readonly intake: BodyIntake;
  private readonly waiting: WaitingInflation[] = [];
  private running = 0;

  constructor(intake: BodyIntake) {
    this.intake = intake;
  }

  /**
   * Inflates a copy of `body` (borrowed) and calls `done` later, once, with what it holds: at most the intake's `bodyBytesMax`, owned by
   * the callee. False, and no call, when too much is waiting already.
   */
  tryInflate(body: Uint8Array, done: (result: Uint8Array | InflationFault) => void): boolean {
    if (this.waiting.length >= INFLATIONS_WAITING_MAX || !this.intake.tryReserve(body.length)) return false;
    // Not slice: a Buffer's shares its memory.
    this.waiting.push({ body: new Uint8Array(body), done });
    this.startNext();
    return true;
  }

  private startNext(): void {
    if (this.running >= INFLATIONS_MAX) return;
    const next = this.waiting.shift();
    if (next === undefined) return;
    this.running++;
    const maxOutputLength = this.intake.limits.bodyBytesMax;
    gunzip(next.body, { maxOutputLength, chunkSize: INFLATE_CHUNK_BYTES }, (error, inflated) => {
      this.running--;
      this.intake.release(next.body.length);
      if (error === null) next.done(inflated);
      else next.done((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? 'too_large' : 'corrupt');
      this.startNext();
    });
  }
}
