import type { Severity } from '../../model/anomaly.ts';
import type { Contact } from '../../model/contact.ts';
import { inSpan, nextChange } from '../people/local-spans.ts';
import { isAtLeast } from './routing.ts';

/** Hours that never end (every day, all day) are looked at again after this: the person may have changed them. */
const LOOK_AGAIN_MS = 86_400_000;

/** The end of the person's quiet hours, epoch milliseconds, when they keep a message of this severity back now; null when they do not. */
export function quietUntil({ preferences, zone }: Pick<Contact, 'preferences' | 'zone'>, severity: Severity, nowMs: number): number | null {
  const { quietHours } = preferences;
  if (quietHours === null || isAtLeast(severity, quietHours.exceptFrom) || !inSpan(quietHours.spans, zone, nowMs)) return null;
  return Math.min(nextChange(quietHours.spans, zone, nowMs), nowMs + LOOK_AGAIN_MS);
}
