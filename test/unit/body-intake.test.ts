import type { HttpRequest } from 'uWebSockets.js';
import { describe, expect, it } from 'vitest';
import { BODY_LIMITS_DEFAULT, BodyIntake } from '../../src/http/body-intake.ts';
import type { Exchange } from '../../src/http/exchange.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';

/** A request whose body comes in the chunks that the test hands on. */
function request(declared: number): { exchange: Exchange; head: HttpRequest; chunk(bytes: number, isLast: boolean): void; end(): void } {
  let onData: (chunk: ArrayBuffer, isLast: boolean) => void = () => {};
  let onEnded = (): void => {};
  const exchange = { onData: (fn: typeof onData) => (onData = fn), onEnded: (fn: typeof onEnded) => (onEnded = fn) };
  const head = { getHeader: () => String(declared) };
  return { exchange: exchange as unknown as Exchange, head: head as unknown as HttpRequest, chunk: (bytes, isLast) => onData(new Uint8Array(bytes).fill(7).buffer, isLast), end: () => onEnded() };
}

describe('bodies in several chunks', () => {
  it('give their memory back when they are handed over, grow too long for it, or are given up', () => {
    const intake = new BodyIntake({ ...BODY_LIMITS_DEFAULT, bodyBytesMax: 1_000_000 }, { clock: systemClock, timers: systemTimers });
    const lengths: number[] = [];
    for (let k = 0; k < 500; k++) {
      const { exchange, head, chunk, end } = request(k % 2 === 0 ? 100_000 : 0);
      intake.collectBody(exchange, head, (body) => lengths.push(body.every((byte) => byte === 7) ? body.length : -1));
      chunk(50_000, false);
      // Past a slot, unannounced.
      if (k % 4 === 1) chunk(400_000, true);
      else if (k % 4 === 3) end();
      else chunk(50_000, true);
      end();
    }
    intake.close();
    expect([...new Set(lengths)].sort((a, b) => a - b)).toEqual([100_000, 450_000]);
    expect(intake.stats()).toMatchObject({ collecting: 0, bufferedBytes: 0 });
    // 500 slots would be five blocks.
    expect(intake['buffers'].bytes).toBe(16 * 1_048_576);
  });
});
