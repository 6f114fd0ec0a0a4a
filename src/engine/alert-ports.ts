import type { Observation, RulesInForce } from '../actors/alerts/protocol.ts';
import type { LiveNotification } from '../actors/notifications/channels/live.ts';
import type { SupervisorAnswers, SupervisorQuestion } from '../http/alerts-port.ts';
import type { Alert } from '../model/alert.ts';
import type { Anomaly, AnomalyKind } from '../model/anomaly.ts';
import type { MeterWindow, RegionWindow } from '../model/window.ts';

/** What the main thread and that of the alerts say to each other. */

/** Purpose of the port over which the main thread asks, and is told what changed. */
export const ALERTS_PORT = 'alerts';
/** Purpose of the port over which the alerts' thread asks. */
export const ENGINE_PORT = 'engine';
/** Unanswered at once: as many as the gateway answers, and the feed's. */
export const ALERT_QUESTIONS_MAX = 512;
/** Pictures, episodes that nobody has named since the start, and live messages. */
export const ENGINE_QUESTIONS_MAX = 256;
/** Alerts in one event; of more that change at once the newest go, and whoever wants all asks for them. */
export const ALERTS_PER_EVENT_MAX = 1_000;

export type AlertsRequest = { kind: 'observe'; observation: Observation } | { kind: 'ask'; question: SupervisorQuestion } | { kind: 'rules'; rules: RulesInForce };

/** Of `observe` and `rules` null. */
export type AlertsReply = SupervisorAnswers[SupervisorQuestion['kind']] | null;

/** Alerts that opened, changed or ended, durably. */
export interface AlertsEvent {
  alerts: Alert[];
  /** False: there are more than ALERTS_PER_EVENT_MAX. */
  isAll: boolean;
}

export type EngineQuestion =
  /** null: there is no such episode. */
  | { kind: 'episode'; meterId: string; anomalyKind: AnomalyKind; startedAt: number }
  /** One-minute windows that begin in [from, to). */
  | { kind: 'meterCurve'; meterId: string; from: number; to: number }
  | { kind: 'regionCurve'; region: string; from: number; to: number }
  /** Hands it to the contact's open connections; says how many took it. */
  | { kind: 'publish'; contactId: string; notification: LiveNotification };

export interface EngineAnswers {
  episode: Anomaly | null;
  meterCurve: MeterWindow[];
  regionCurve: RegionWindow[];
  publish: number;
}

export type EngineReply = EngineAnswers[EngineQuestion['kind']];
