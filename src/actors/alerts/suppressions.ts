import type { Suppression } from '../../model/alert.ts';
import { utcText } from '../../model/utc-text.ts';
import { isActive, type Entry } from './alert-entry.ts';
import type { Flapping } from './flapping.ts';
import type { Inhibitions } from './inhibitions.ts';
import type { Silences } from './silences.ts';

/** What keeps an alert back, and why in one sentence. */
export interface FoundSuppression {
  suppression: Suppression;
  reason: string;
}

export interface Keepers {
  silences: Silences;
  inhibitions: Inhibitions;
  flapping: Flapping;
}

/** A maintenance window before a silence, before an inhibition, before flapping. null: nothing does. */
export function suppressionOf(entry: Entry, { silences, inhibitions, flapping }: Keepers): FoundSuppression | null {
  const { alert } = entry;
  if (!isActive(alert)) return null;
  const silence = silences.suppressorOf(alert);
  if (silence !== null) {
    const { endsAt, createdBy, comment } = silences.get(silence.id)!;
    return { suppression: silence, reason: `${silence.id} by ${createdBy} holds until ${utcText(endsAt)}: ${comment}` };
  }
  const keeper = inhibitions.keeperOf(entry);
  if (keeper !== null) return { suppression: { by: 'inhibition', id: keeper.id }, reason: `alert ${keeper.id} is active, and inhibition ${keeper.name} lets it speak for this one` };
  if (!alert.isFlapping) return null;
  return { suppression: { by: 'flapping', id: alert.id }, reason: `it is flapping, until it has been well or has held for ${flapping.stableForMs / 1_000} s` };
}

export function isSame(a: Suppression | null, b: Suppression | null): boolean {
  return a === b || (a !== null && b !== null && a.by === b.by && a.id === b.id);
}
