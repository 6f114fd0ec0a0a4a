import type { Anomaly, AnomalyKind, Severity } from '../../../model/anomaly.ts';
import { ANOMALY_KINDS } from '../../../model/anomaly.ts';
import type { DetectorCells, Kind } from './detector-cells.ts';
import { clearRun, F32, F64, openSeverity, setSeverity } from './detector-cells.ts';

/** What an episode's `expected` is drawn from, or what the outage looks like. */
export type AnomalyBasis =
  /** The profile of this hour of the week. */
  | 'hour_of_week'
  /** The same hour on other days, while the week's is not known. */
  | 'hour_of_day'
  /** The exponentially weighted mean. */
  | 'recent'
  /** Outage: nothing comes any more. */
  | 'silent'
  /** Outage: it reports, but no power while its neighbours have it. */
  | 'dark'
  /** Voltage: the nominal one. */
  | 'nominal';

/** Who is told of episodes. Numbers are as in model/anomaly.ts; calls are synchronous, in order of event. */
export interface AnomalySink {
  opened(kind: AnomalyKind, basis: AnomalyBasis, severity: Severity, startedAtMs: number, value: number, expected: number, score: number): void;
  /** The severity rose, or the score reached CHANGE_FACTOR times the one last told. `value`, `expected` and `score` are those of the peak. */
  changed(kind: AnomalyKind, basis: AnomalyBasis, severity: Severity, startedAtMs: number, value: number, expected: number, score: number): void;
  /** `startedAtMs` is that of the episode when it was opened. */
  ended(kind: AnomalyKind, startedAtMs: number, endedAtMs: number, reason: NonNullable<Anomaly['endReason']>): void;
}

/** Doubling bounds the changes of one episode: from 4 to the largest score there is (1e7) in 22 of them. */
export const CHANGE_FACTOR = 2;

const SEVERITY_OF_CODE: readonly Severity[] = ['INFO', 'INFO', 'WARN', 'CRITICAL'];

export function openEpisode(
  cells: DetectorCells,
  kind: Kind,
  basis: AnomalyBasis,
  code: number,
  startedAtMs: number,
  value: number,
  expected: number,
  score: number,
  emit: AnomalySink,
): void {
  cells.f64[(cells.at >> 3) + F64.startedAt + kind] = startedAtMs;
  cells.f32[(cells.at >> 2) + F32.reportedScore + kind] = score;
  setSeverity(cells, kind, code);
  clearRun(cells, kind);
  emit.opened(ANOMALY_KINDS[kind], basis, SEVERITY_OF_CODE[code], startedAtMs, value, expected, score);
}

/** Tells the sink when an open episode got worse enough; severity never falls while an episode lasts. */
export function worsenEpisode(
  cells: DetectorCells,
  kind: Kind,
  basis: AnomalyBasis,
  code: number,
  value: number,
  expected: number,
  score: number,
  emit: AnomalySink,
): void {
  const open = openSeverity(cells, kind);
  const reported = (cells.at >> 2) + F32.reportedScore + kind;
  if (code <= open && score < cells.f32[reported] * CHANGE_FACTOR) return;
  const severity = Math.max(code, open);
  cells.f32[reported] = Math.max(score, cells.f32[reported]);
  setSeverity(cells, kind, severity);
  emit.changed(ANOMALY_KINDS[kind], basis, SEVERITY_OF_CODE[severity], startedAtMs(cells, kind), value, expected, score);
}

export function endEpisode(cells: DetectorCells, kind: Kind, endedAtMs: number, reason: NonNullable<Anomaly['endReason']>, emit: AnomalySink): void {
  const started = startedAtMs(cells, kind);
  cells.f64[(cells.at >> 3) + F64.startedAt + kind] = endedAtMs;
  setSeverity(cells, kind, 0);
  clearRun(cells, kind);
  emit.ended(ANOMALY_KINDS[kind], started, endedAtMs, reason);
}

/** Start of the kind's open episode; while none is open, the end of its last one (0 before the first). */
export function startedAtMs(cells: DetectorCells, kind: Kind): number {
  return cells.f64[(cells.at >> 3) + F64.startedAt + kind];
}

/** Kinds with an open episode; allocates, for queries. */
export function openKinds(cells: DetectorCells): AnomalyKind[] {
  return ANOMALY_KINDS.filter((_, kind) => openSeverity(cells, kind as Kind) !== 0);
}
