import type { HttpRequest } from 'uWebSockets.js';
import type { Clock, TimerHandle, Timers } from '../runtime/clock.ts';
import { BodyBuffers, SLOT_BYTES, slotBytes, type BodySlot } from './body-buffers.ts';
import type { Exchange } from './exchange.ts';
import type { Problem } from './problem-details.ts';

/**
 * Request bodies, collected against a limit per body, a limit on all of them together, and senders that are slow on purpose. One
 * per listening server.
 */

export interface BodyLimits {
  /** Bytes of one body at most, as sent; above it 413. */
  bodyBytesMax: number;
  /** Bytes of memory that unfinished bodies and bodies being inflated may take together; above it 429. */
  bufferedBytesMax: number;
  /** Milliseconds from the head of a request to the end of its body; above it 408. */
  bodyDeadlineMs: number;
  /** A body that brings fewer bytes than `windowBytesMin` in this time gets 408. Milliseconds. */
  windowMs: number;
  windowBytesMin: number;
}

export const BODY_LIMITS_DEFAULT = {
  /** A full body of 16 MiB at 5 Mbit/s takes 27 s. */
  bodyDeadlineMs: 30_000,
  /** Sixteen full bodies; a thousand connections with usual batches need a tenth of it. */
  bufferedBytesMax: 256 * 1024 * 1024,
  /** uWebSockets cuts a socket, without an answer, that brought less than 160 KiB in 8–12 s; this comes first, and with an answer. */
  windowMs: 7_000,
  /** 16 KiB/s, the throughput uWebSockets asks for: a modem of 1998 is slower, nothing that uploads batches is. */
  windowBytesMin: 7 * 16 * 1024,
} as const;

/** How often unfinished bodies are looked at. Short beside the second between `windowMs` and uWebSockets' own cut. */
const SWEEP_INTERVAL_MS = 500;

/** Bytes past a body's limit that are read and dropped so that the sender sees its 413; one that goes on loses its connection. */
export const DISCARD_BYTES_MAX = 16 * 1024 * 1024;

/** What a body in several chunks counts for at first; doubles from here. One that says it fits into a slot counts for all of itself at once: a usual batch comes in a few chunks. */
const INITIAL_BUFFER_BYTES = 64 * 1024;

export interface BodyIntakeStats {
  /** Bodies that have begun and not ended. */
  collecting: number;
  bufferedBytes: number;
  tooSlow: number;
  tooLarge: number;
  /** Refused because `bufferedBytesMax` was reached. */
  overloaded: number;
}

/** `body` is borrowed until the function returns. */
export type BodyHandler = (body: Uint8Array) => void;

export class BodyIntake {
  readonly limits: BodyLimits;
  private readonly clock: Clock;
  private readonly sweepTimer: TimerHandle;
  /** Bounded by the sockets that are open. */
  private readonly unfinished = new Set<UnfinishedBody>();
  private readonly buffers = new BodyBuffers();
  private readonly counts = { bufferedBytes: 0, tooSlow: 0, tooLarge: 0, overloaded: 0 };

  constructor(limits: BodyLimits, modules: { clock: Clock; timers: Timers }) {
    this.limits = limits;
    this.clock = modules.clock;
    this.sweepTimer = modules.timers.every(SWEEP_INTERVAL_MS, () => this.sweep());
  }

  /**
   * Calls `onBody` once with the whole body, or answers 413, 408 or 429 itself and never calls it. Must be called before the handler first
   * returns to the event loop. What it holds is freed when the body is handed over, answered for, or its connection closes.
   */
  collectBody(exchange: Exchange, head: HttpRequest, onBody: BodyHandler): void {
    const declared = declaredLength(head);
    const { bodyBytesMax } = this.limits;
    if (declared > bodyBytesMax) {
      // uWebSockets drops the rest of a body that was answered early. A longer one is not worth reading.
      exchange.closeAfter = declared > bodyBytesMax + DISCARD_BYTES_MAX;
      this.refuseTooLarge(exchange);
      return;
    }
    let unfinished: UnfinishedBody | null = null;
    exchange.onData((chunk, isLast) => {
      if (unfinished === null) {
        if (isLast && chunk.byteLength <= bodyBytesMax) {
          // Most bodies come with their head, in one piece: no copy, no bookkeeping.
          onBody(new Uint8Array(chunk));
          return;
        }
        unfinished = this.begin(exchange, declared);
      }
      this.append(unfinished, chunk, isLast, onBody);
    });
  }

  /** Takes `bytes` of the memory for bodies; false when that much is not left. Whoever took it gives it back with `release`. */
  tryReserve(bytes: number): boolean {
    if (this.counts.bufferedBytes + bytes > this.limits.bufferedBytesMax) {
      this.counts.overloaded++;
      return false;
    }
    this.counts.bufferedBytes += bytes;
    return true;
  }

  release(bytes: number): void {
    this.counts.bufferedBytes -= bytes;
  }

  /** Of unfinished bodies and of those being inflated. */
  get bufferedBytes(): number {
    return this.counts.bufferedBytes;
  }

  stats(): BodyIntakeStats {
    return { collecting: this.unfinished.size, ...this.counts };
  }

  close(): void {
    this.sweepTimer.cancel();
  }

  private begin(exchange: Exchange, declared: number): UnfinishedBody {
    const unfinished = new UnfinishedBody(exchange, declared, this.clock.monotonic());
    this.unfinished.add(unfinished);
    exchange.onEnded(() => {
      this.unfinished.delete(unfinished);
      this.freeBuffer(unfinished);
    });
    return unfinished;
  }

  private freeBuffer(unfinished: UnfinishedBody): void {
    this.release(unfinished.buffer.length);
    this.leaveSlot(unfinished, NO_BYTES);
  }

  private append(unfinished: UnfinishedBody, chunk: ArrayBuffer, isLast: boolean, onBody: BodyHandler): void {
    const { exchange } = unfinished;
    const { bodyBytesMax } = this.limits;
    const at = unfinished.length;
    const length = at + chunk.byteLength;
    unfinished.length = length;
    if (length > bodyBytesMax) {
      this.freeBuffer(unfinished);
      exchange.closeAfter = !isLast;
      if (isLast || length > bodyBytesMax + DISCARD_BYTES_MAX) this.refuseTooLarge(exchange);
      return;
    }
    if (length > unfinished.buffer.length && !this.grow(unfinished, length)) {
      exchange.closeAfter = unfinished.declared === 0;
      exchange.problem(OVERLOADED_BODIES);
      return;
    }
    unfinished.buffer.set(new Uint8Array(chunk), at);
    if (!isLast) return;
    this.unfinished.delete(unfinished);
    onBody(unfinished.buffer.subarray(0, length));
    this.freeBuffer(unfinished);
  }

  private grow(unfinished: UnfinishedBody, length: number): boolean {
    const { buffer, declared, slot } = unfinished;
    const wanted = declared > 0 && declared <= SLOT_BYTES ? declared : 0;
    let capacity = INITIAL_BUFFER_BYTES;
    while (capacity < Math.max(length, wanted, buffer.length * 2)) capacity *= 2;
    if (capacity > SLOT_BYTES) capacity = Math.max(length, Math.min(capacity, declared === 0 ? this.limits.bodyBytesMax : declared));
    if (!this.tryReserve(capacity - buffer.length)) return false;
    if (capacity <= SLOT_BYTES) {
      unfinished.slot = slot ?? this.buffers.take();
      unfinished.buffer = slotBytes(unfinished.slot, capacity);
      return true;
    }
    // Not a Buffer, whose slices would share its memory.
    const grown = new Uint8Array(Buffer.allocUnsafeSlow(capacity).buffer);
    grown.set(buffer);
    this.leaveSlot(unfinished, grown);
    return true;
  }

  private leaveSlot(unfinished: UnfinishedBody, buffer: Uint8Array): void {
    if (unfinished.slot !== null) this.buffers.give(unfinished.slot);
    unfinished.slot = null;
    unfinished.buffer = buffer;
  }

  private sweep(): void {
    const nowMs = this.clock.monotonic();
    const { bodyDeadlineMs, windowMs, windowBytesMin } = this.limits;
    for (const unfinished of this.unfinished) {
      const late = nowMs - unfinished.startedAtMs >= bodyDeadlineMs;
      if (!late && nowMs - unfinished.windowStartedAtMs < windowMs) continue;
      if (late || unfinished.length - unfinished.windowStartLength < windowBytesMin) this.refuseTooSlow(unfinished.exchange);
      unfinished.windowStartedAtMs = nowMs;
      unfinished.windowStartLength = unfinished.length;
    }
  }

  private refuseTooSlow(exchange: Exchange): void {
    this.counts.tooSlow++;
    exchange.closeAfter = true;
    exchange.problem({
      status: 408,
      code: 'body_timeout',
      detail: 'The body of the request came too slowly and nothing of it was taken. Send it again, in smaller pieces if the connection is slow.',
    });
  }

  private refuseTooLarge(exchange: Exchange): void {
    this.counts.tooLarge++;
    exchange.problem(bodyTooLarge(this.limits.bodyBytesMax));
  }
}

export function bodyTooLarge(bodyBytesMax: number): Problem {
  return {
    status: 413,
    code: 'body_too_large',
    detail: `A body may have ${bodyBytesMax} bytes at most, before and after decompression. Split what it holds over several requests.`,
    extras: { bodyBytesMax },
  };
}

export const OVERLOADED_BODIES: Problem = {
  status: 429,
  code: 'overloaded',
  detail: 'More request bodies are being received than the engine is configured to hold. Nothing of this request was taken; send it again.',
  retryAfterSeconds: 1,
};

const NO_BYTES = new Uint8Array(0);

/** A body of which at least one chunk has come and the last has not. */
class UnfinishedBody {
  readonly exchange: Exchange;
  /** Content-Length, or 0 when the body is chunked. */
  readonly declared: number;
  readonly startedAtMs: number;
  windowStartedAtMs: number;
  windowStartLength = 0;
  /** Bytes that have come. */
  length = 0;
  buffer: Uint8Array = NO_BYTES;
  /** What the buffer lies in; null before the first chunk, and when it is too long for one. */
  slot: BodySlot | null = null;

  constructor(exchange: Exchange, declared: number, nowMs: number) {
    this.exchange = exchange;
    this.declared = declared;
    this.startedAtMs = nowMs;
    this.windowStartedAtMs = nowMs;
  }
}

/** 0 when the request has none; uWebSockets itself refuses one that is not a number. */
function declaredLength(head: HttpRequest): number {
  const text = head.getHeader('content-length');
  return text === '' ? 0 : Number(text);
}
