/** Departures from what a meter does. */

export const ANOMALY_KINDS = ['spike', 'drop', 'outage', 'flat_line', 'voltage_band'] as const;
export type AnomalyKind = (typeof ANOMALY_KINDS)[number];

export const SEVERITIES = ['INFO', 'WARN', 'CRITICAL'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** One episode: opened when the condition was met, ended when it was over or became the new normal. */
export interface Anomaly {
  /** `meterId/kind/startedAt`; the same episode has the same id after every replay. */
  id: string;
  meterId: string;
  region: string;
  kind: AnomalyKind;
  severity: Severity;
  /** Start of the first window (or of the silence) that met the condition, epoch milliseconds. */
  startedAt: number;
  /** null while it goes on. */
  endedAt: number | null;
  /** How it ended; null while it goes on. `adapted`: the level became the meter's new normal. */
  endReason: 'recovered' | 'adapted' | null;
  /** Measured: kW for spike, drop, outage and flat_line, V for voltage_band. */
  value: number;
  /** What the baseline (or the nominal voltage) expected, same unit. */
  expected: number;
  /** |value − expected| in deviations of the baseline; for voltage_band in percent of nominal. */
  score: number;
  /** One plain English sentence. */
  message: string;
}
