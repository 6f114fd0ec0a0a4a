import type { Decision, Suppression } from '../../model/alert.ts';
import type { AlertChange } from './alert-change.ts';
import type { AlertEdits } from './alert-edits.ts';
import { isActive, type Entry } from './alert-entry.ts';
import type { AlertStore } from './alert-store.ts';
import { narrowest, type SilenceTurn } from './silences.ts';
import { isSame, suppressionOf, type FoundSuppression, type Keepers } from './suppressions.ts';

/** Who of the active alerts is kept back now, by whom, and what is said of it. */

export interface KeptBackModules extends Keepers {
  alerts: AlertStore;
  edits: AlertEdits;
}

export class KeptBack {
  private readonly modules: KeptBackModules;
  /** Alerts that somebody may keep back now who did not, or the other way round. */
  private readonly touched = new Set<Entry>();

  constructor(modules: KeptBackModules) {
    this.modules = modules;
  }

  touch(entry: Entry): void {
    this.touched.add(entry);
  }

  find(entry: Entry): FoundSuppression | null {
    return suppressionOf(entry, this.modules);
  }

  settle(nowMs: number, changes: AlertChange[]): void {
    const { silences, inhibitions } = this.modules;
    this.touchSilenced(silences.advance(nowMs));
    // After a restart these are all that are active.
    for (const entry of inhibitions.takeTouched()) this.touched.add(entry);
    for (const entry of this.touched) {
      const found = this.find(entry);
      const { suppression } = entry.alert;
      if (isSame(suppression, found?.suppression ?? null)) continue;
      this.modules.edits.replace(entry, { suppression: found?.suppression ?? null });
      this.said(entry, suppression, found, nowMs, changes);
    }
    this.touched.clear();
  }

  /** Its suppression was `before` and is what was found: a decision, a line where it is another kind of keeper, and a change. */
  said(entry: Entry, before: Suppression | null, found: FoundSuppression | null, nowMs: number, changes: AlertChange[]): void {
    const { alerts, inhibitions } = this.modules;
    const { id, suppression } = entry.alert;
    const at = nowMs;
    inhibitions.said(entry, before, suppression);
    const step = stepOf(found?.suppression ?? before!);
    alerts.addDecision(entry, { at, step, outcome: found === null ? 'passed' : 'held', reason: found?.reason ?? `nothing keeps it back any more: ${before!.by === 'flapping' ? 'it does not flap' : `${before!.id} does not`}`, contactId: null });
    const what = found === null ? 'unsuppressed' : 'suppressed';
    const text = found === null ? 'Not kept back any more' : `Kept back: ${found.reason}`;
    const event = before?.by === suppression?.by ? null : this.modules.edits.addEvent(entry, { what, text, deed: { at, by: null, why: null } });
    changes.push({ alert: alerts.find(id)!.alert, event, what });
  }

  private touchSilenced(turns: readonly SilenceTurn[]): void {
    const { index } = this.modules.alerts;
    const broad: SilenceTurn[] = [];
    for (const turn of turns) {
      const narrow = narrowest(turn.match);
      if (narrow === null) {
        broad.push(turn);
        continue;
      }
      for (const name of narrow.names) {
        const entries = narrow.by === 'meterId' ? index.ofMeter(name) : narrow.by === 'component' ? index.ofComponent(name) : index.ofRegion(name);
        for (const entry of entries) if (turn.matches(entry.alert)) this.touched.add(entry);
      }
    }
    if (broad.length === 0) return;
    for (const entry of this.modules.alerts.entries()) if (isActive(entry.alert) && broad.some(({ matches }) => matches(entry.alert))) this.touched.add(entry);
  }
}

function stepOf({ by }: Suppression): Decision['step'] {
  return by === 'maintenance' ? 'silence' : by;
}
