import type { Alert, AlertDetail, AlertListQuery, AlertStatistics, Decision, Silence } from '../../model/alert.ts';
import type { Anomaly } from '../../model/anomaly.ts';
import type { Page, RegionNow } from '../../model/queries.ts';
import type { RegionWindow } from '../../model/window.ts';
import type { AlertRules } from './rules.ts';

/** Messages of the alerts supervisor. */

/** A part of the engine that can be away. */
export interface ComponentHealth {
  /** `shard-0`, `ingest-1`, `timescale`, `kafka`, `disk`, … */
  component: string;
  isWell: boolean;
  /** Epoch ms: since when it is as it is. */
  since: number;
  /** One sentence; empty when well. */
  problem: string;
}

/**
 * What the engine saw since the last time. All of it may come twice, or again after a restart: episodes and windows have keys, and the rest is of now.
 */
export interface Observation {
  /** Episodes that opened, changed or ended, whole. */
  anomalies: Anomaly[];
  /** Final one-minute windows of regions, in order of windowStart within a region. */
  regionWindows: RegionWindow[];
  /** All regions as they are; null: not said this time. */
  regions: RegionNow[] | null;
  /** All components; null: not said this time. */
  components: ComponentHealth[] | null;
}

/** Questions and commands, and their answers. They fail with OperationalError: the codes stand beside. */
export type AlertQuestion =
  | { kind: 'alerts'; query: AlertListQuery }
  | { kind: 'alert'; id: string }
  | { kind: 'alertStatistics'; from: number; to: number }
  /** `version` null: whatever it is now. `unknown_alert`, `stale_version`, `wrong_state` (it is resolved). */
  | { kind: 'acknowledge'; id: string; version: number | null; by: string; why: string | null }
  /** The same. A condition that still holds raises no new alert until it has cleared once. */
  | { kind: 'resolve'; id: string; version: number | null; by: string; why: string | null }
  /** Each by itself, BULK_MAX at most. */
  | { kind: 'resolveAll'; ids: string[]; by: string; why: string | null }
  | { kind: 'silences'; silenceKind: Silence['kind'] | null; withEnded: boolean; limit: number; cursor: string | null }
  | { kind: 'silence'; id: string }
  | { kind: 'makeSilence'; silence: NewSilence }
  /** `unknown_silence`, `stale_version`, `wrong_state` (it has ended). `endsAt` or `comment` of null stay. */
  | { kind: 'changeSilence'; id: string; version: number | null; by: string; endsAt: number | null; comment: string | null }
  | { kind: 'endSilence'; id: string; version: number | null; by: string; why: string | null }
  | { kind: 'rules' }
  /** What these rules would have raised in the time: an alert with openedAt and resolved for each. */
  | { kind: 'dryRun'; rules: AlertRules; history: DryRunHistory }
  /** Why this alert went to whom it went, or did not. `unknown_alert`. */
  | { kind: 'explainAlert'; id: string }
  /** Why this episode raised no alert, or which. */
  | { kind: 'explainAnomaly'; anomaly: Anomaly };

export type NewSilence = Pick<Silence, 'kind' | 'match' | 'startsAt' | 'endsAt' | 'createdBy' | 'comment'>;

/** What a dry run is run over: read from the shards by who asks. */
export interface DryRunHistory {
  from: number;
  to: number;
  anomalies: Anomaly[];
  regionWindows: RegionWindow[];
  /** Meters of each region, for shares. */
  regionMeters: Record<string, number>;
}

export interface DryRunResult {
  alerts: DryRunAlert[];
  /** Alerts raised in all; `alerts` holds DRY_RUN_ALERTS_MAX of them at most, the oldest. */
  total: number;
  byRule: Record<string, number>;
}

export type DryRunAlert = Pick<Alert, 'type' | 'kind' | 'severity' | 'rule' | 'title' | 'region' | 'meterId' | 'component' | 'startedAt' | 'openedAt' | 'affectedMeters'> & { clearedAt: number | null };

export const BULK_MAX = 100;
export const DRY_RUN_ALERTS_MAX = 1_000;

export interface AlertAnswers {
  alerts: Page<Alert>;
  alert: AlertDetail | null;
  alertStatistics: AlertStatistics;
  acknowledge: Alert;
  resolve: Alert;
  /** In the order of the ids. `error`: as `resolve` would have failed; null when it was resolved. */
  resolveAll: { id: string; alert: Alert | null; error: { code: string; message: string } | null }[];
  /** Newest first. */
  silences: Page<Silence>;
  silence: Silence | null;
  makeSilence: Silence;
  changeSilence: Silence;
  endSilence: Silence;
  rules: RulesInForce;
  dryRun: DryRunResult;
  explainAlert: { alert: Alert; decisions: Decision[] };
  explainAnomaly: { alertId: string | null; decisions: Decision[] };
}

export interface RulesInForce {
  rules: AlertRules;
  /** Where they come from; null: the engine's own. */
  file: string | null;
  loadedAt: number;
  /** Why a newer file is not in force; empty when the newest is. Each as `path: fault`. */
  faults: string[];
}
