import type { IncomingHttpHeaders } from 'node:http';

/** A day: a provider that asks for more is taken at its word for a day. */
export const RETRY_AFTER_MS_MAX = 86_400_000;

/**
 * The header Retry-After (RFC 9110, section 10.2.3), in seconds or as a date, in milliseconds from now; null without one that can be read. A date is counted from the answer's own Date where it has one: the provider's
 * clock and this one may differ.
 */
export function retryAfterMs(headers: IncomingHttpHeaders, nowMs: number): number | null {
  const raw = headers['retry-after']?.trim();
  if (raw === undefined || raw === '') return null;
  if (/^\d+$/.test(raw)) return Math.min(Number(raw) * 1_000, RETRY_AFTER_MS_MAX);
  const at = httpDate(raw);
  if (at === null) return null;
  const from = httpDate(headers.date ?? '') ?? nowMs;
  return Math.min(Math.max(0, at - from), RETRY_AFTER_MS_MAX);
}

/** A date as HTTP writes it, `Sun, 06 Nov 1994 08:49:37 GMT`, in epoch milliseconds. */
export function httpDate(raw: string): number | null {
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(raw)) return null;
  const at = Date.parse(raw);
  return Number.isNaN(at) ? null : at;
}
