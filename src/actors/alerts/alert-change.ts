import type { Alert, AlertEvent, AlertEventKind } from '../../model/alert.ts';

/** What became of an alert, as it is now. `event`: the line of its history; null where the change is worth none (figures). */
export interface AlertChange {
  alert: Alert;
  event: AlertEvent | null;
  what: AlertEventKind;
}

/** A command's answer, and everything that changed by it and by the time. */
export interface CommandOutcome<T> {
  answer: T;
  changes: AlertChange[];
}
