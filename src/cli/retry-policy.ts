import { setTimeout as sleep } from 'node:timers/promises';
import { OperationalError } from '../runtime/errors.ts';

/** First back-off: about what an engine needs to drain a full queue. */
export const RETRY_BASE_MS = 100;
/** Longest back-off: an engine that comes back is noticed within it. */
export const RETRY_CAP_MS = 10_000;
/** Longest Retry-After that is believed; a larger one is more likely a mistake than a plan. */
export const RETRY_AFTER_MAX_MS = 60_000;
/** How long one request is tried again in all: longer than a restart with a large journal, short enough to notice a dead engine. */
export const RETRY_TOTAL_MS = 120_000;

/**
 * Wait before attempt `attempt` + 1 (the first attempt is 0): exponential back-off with full jitter, so that clients that were refused together
 * do not come back together, on top of what the server asked for.
 * Source: AWS Architecture Blog, "Exponential Backoff And Jitter".
 */
export function retryDelayMs(attempt: number, retryAfterMs: number, random: () => number): number {
  const ceilingMs = Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** Math.min(attempt, 16));
  return Math.min(retryAfterMs, RETRY_AFTER_MAX_MS) + random() * ceilingMs;
}

/** The Retry-After header (RFC 9110: seconds or a date) in ms; 0 when absent or unreadable. */
export function parseRetryAfterMs(header: string | undefined, nowMs: number): number {
  if (header === undefined) return 0;
  if (/^\d+$/.test(header)) return Number(header) * 1_000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? 0 : Math.max(0, at - nowMs);
}

/** Sleeps; rejects with OperationalError `aborted` when the signal fires. */
export async function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(delayMs, undefined, { signal });
  } catch (cause) {
    throw new OperationalError('aborted', 'stopped before it was done', { cause });
  }
}
