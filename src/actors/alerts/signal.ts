import type { AlertKind, AlertSubject, AlertType } from '../../model/alert.ts';
import type { Severity } from '../../model/anomaly.ts';

/** What a rule has found of one thing. Conditions (conditions/) make signals of what the engine reports; the alert book (occurrences.ts) makes alerts of signals. */

export type Signal = RaisedSignal | ClearedSignal;

/** The condition holds, as of `at`; said again whenever severity, figures or affected meters change. Saying it twice is harmless. */
export interface RaisedSignal extends AlertSubject {
  state: 'raised';
  rule: string;
  type: AlertType;
  kind: AlertKind;
  severity: Severity;
  /** When the condition began: with rule, kind and subject it names the alert for good. */
  startedAt: number;
  title: string;
  description: string;
  value: number | null;
  threshold: number | null;
  unit: 'kW' | 'V' | '%' | 'meters' | null;
  affectedMeters: number;
}

/** It is over. */
export interface ClearedSignal extends AlertSubject {
  state: 'cleared';
  rule: string;
  kind: AlertKind;
  startedAt: number;
  /** One sentence. */
  reason: string;
}
