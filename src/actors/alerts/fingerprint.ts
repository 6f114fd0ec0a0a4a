import { hash } from 'node:crypto';
import type { AlertKind, AlertSubject } from '../../model/alert.ts';

/** 64 bits: that any two of a million fingerprints agree has a chance of 3 in 100 million. */
const FINGERPRINT_DIGITS = 16;

/** The same for the same trouble of the same thing at any time. A meter that moves to another region keeps it. */
export function fingerprintOf({ rule, kind, subject }: { rule: string; kind: AlertKind; subject: AlertSubject }): string {
  return hash('sha256', JSON.stringify([rule, kind, ...nameOf(subject)])).slice(0, FINGERPRINT_DIGITS);
}

function nameOf({ region, meterId, component }: AlertSubject): [what: string, name: string | null] {
  if (meterId !== null) return ['meter', meterId];
  if (component !== null) return ['component', component];
  return ['region', region];
}

/** `startedAt`: epoch ms, when the condition began. */
export function alertId(fingerprint: string, startedAt: number): string {
  return `${fingerprint}-${startedAt.toString(36)}`;
}
