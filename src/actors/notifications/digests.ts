import type { Severity } from '../../model/anomaly.ts';
import type { Preferences } from '../../model/contact.ts';
import { isAtLeast } from './routing.ts';

/** What is gathered and goes as one message. Times are epoch milliseconds. */

/** Notices in a message at most: more would be a book. What is left goes with the next one. */
export const DIGEST_NOTICES_MAX = 50;

/** When a notice of this severity goes with others, or null when it goes by itself. `openDigestAt`: when the digest goes that is being gathered; null: none is. */
export function digestAt(preferences: Preferences, severity: Severity, openDigestAt: number | null, nowMs: number): number | null {
  const { digest } = preferences;
  if (digest === null || (severity !== digest.severityMax && isAtLeast(severity, digest.severityMax))) return null;
  return openDigestAt ?? nowMs + digest.everyMs;
}
