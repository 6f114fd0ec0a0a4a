import type { Alert, AlertEvent, AlertEventKind, Decision, Deed } from '../../model/alert.ts';
import type { AlertChange } from './alert-change.ts';
import { isActive, type AlertRecord, type Entry } from './alert-entry.ts';
import type { AlertStore } from './alert-store.ts';
import type { Inhibitions } from './inhibitions.ts';
import type { AlertCounts } from './statistics.ts';

/** How an alert of the book is changed, with everything that depends on what it is; and what is said of it. */

export interface AlertEditsModules {
  alerts: AlertStore;
  counts: AlertCounts;
  inhibitions: Inhibitions;
  /** Somebody may keep it back now who did not, or the other way round. */
  touch(entry: Entry): void;
}

export class AlertEdits {
  /** When what is changed changes: of the book's turn. */
  nowMs = -Infinity;
  private readonly modules: AlertEditsModules;

  constructor(modules: AlertEditsModules) {
    this.modules = modules;
  }

  /** Adds to `changes`, and to its history where there is a text. */
  change(entry: Entry, alert: Partial<Alert>, line: { what: AlertEventKind; text: string | null; deed: Deed }, changes: AlertChange[], record: Partial<AlertRecord> = {}): void {
    this.replace(entry, alert, record);
    const event = line.text === null ? null : this.addEvent(entry, { ...line, text: line.text });
    changes.push({ alert: entry.alert, event, what: line.what });
  }

  /** Keeps up whatever depends on what it is. */
  replace(entry: Entry, change: Partial<Alert>, record: Partial<AlertRecord> = {}): void {
    const { alerts, counts, inhibitions, touch } = this.modules;
    const before = entry.alert;
    const alert = { ...before, ...change, version: before.version + 1, changedAt: this.nowMs };
    // Inhibitions and silences look at these.
    const isMatchedAnew = isActive(alert) && (before.severity !== alert.severity || before.region !== alert.region || !isActive(before));
    if (isMatchedAnew) inhibitions.remove(entry);
    alerts.change(entry, { ...record, alert });
    if (isMatchedAnew) inhibitions.add(entry);
    if (before.isFlapping !== alert.isFlapping) touch(entry);
    counts.changedFrom(before, alert);
  }

  addEvent(entry: Entry, { what, text, deed }: { what: AlertEventKind; text: string; deed: Deed }): AlertEvent {
    const { alerts } = this.modules;
    const event: AlertEvent = { sequence: entry.events + 1, kind: what, text, ...deed };
    alerts.change(entry, { events: event.sequence });
    alerts.addEvent(entry, event);
    return event;
  }

  /** Why something was or was not done about it. One that is not known any more is passed over. */
  decide(alertId: string, decision: Decision): void {
    const { alerts } = this.modules;
    const entry = alerts.take(alertId);
    if (entry !== null) alerts.addDecision(entry, decision);
  }
}
