import type { OutgoingMessage } from '../actors/notifications/channels/channel.ts';
import { referenceOf } from '../actors/notifications/channels/delivery-reference.ts';
import type { CurveData } from '../actors/notifications/templates/curve-picture.ts';
import { renderMessage } from '../actors/notifications/templates/render-message.ts';
import { SAMPLE_ALERT_ID, sampleCurve } from '../actors/notifications/templates/sample-notices.ts';
import { unsubscribeToken } from '../actors/notifications/unsubscribe-token.ts';
import type { ChannelName, Contact } from '../model/contact.ts';
import type { Delivery, Notice, NoticeAlert } from '../model/notice.ts';
import type { Clock } from '../runtime/clock.ts';
import type { EngineAnswers, EngineQuestion } from './alert-ports.ts';

/** Makes messages of notices: with the curve of what the worst alert is about, and links where people reach the engine. */

/** Of the curve, before the alert began and up to now at most. */
const CURVE_BEFORE_MS = 3_600_000;
const CURVE_MS_MAX = 6 * 3_600_000;
/** All who are told of an alert get the same picture, drawn once; half a megabyte each. */
const CURVES_MAX = 50;
const CURVE_KEPT_MS = 60_000;

export interface MessageRendererModules {
  clock: Clock;
  /** null: nobody knows an address of the engine. */
  publicUrl: string | null;
  linkSecret: Uint8Array;
  /** May reject: then there is no picture. */
  ask<Kind extends EngineQuestion['kind']>(question: Extract<EngineQuestion, { kind: Kind }>): Promise<EngineAnswers[Kind]>;
}

export class MessageRenderer {
  private readonly modules: MessageRendererModules;
  /** By subject, oldest first. */
  private readonly curves = new Map<string, { at: number; curve: Promise<CurveData | null> }>();

  constructor(modules: MessageRendererModules) {
    this.modules = modules;
  }

  async render(notices: Notice[], contact: Contact, channel: ChannelName, delivery: Delivery): Promise<OutgoingMessage> {
    const { clock, publicUrl, linkSecret } = this.modules;
    const curve = channel === 'email' ? await this.curveOf(notices[0].alerts[0]) : null;
    const composed = renderMessage(notices, contact, channel, {
      curve,
      link: (alertId) => (publicUrl === null ? null : `${publicUrl}/#alert=${encodeURIComponent(alertId)}`),
      unsubscribeLink: publicUrl === null ? null : `${publicUrl}/unsubscribe?token=${unsubscribeToken(linkSecret, { contactId: contact.id, channel })}`,
      nowMs: clock.now(),
      reference: referenceOf(delivery.id),
    });
    return { ...composed, deliveryId: delivery.id, attempt: Math.max(1, delivery.attempts), addresses: contact.addresses, contactId: contact.id };
  }

  private curveOf(alert: NoticeAlert | undefined): Promise<CurveData | null> {
    if (alert === undefined || (alert.meterId === null && alert.region === null)) return Promise.resolve(null);
    const nowMs = this.modules.clock.now();
    if (alert.id === SAMPLE_ALERT_ID) return Promise.resolve(sampleCurve(alert.severity, nowMs));
    const key = `${alert.id} ${alert.state}`;
    const known = this.curves.get(key);
    if (known !== undefined && Math.abs(nowMs - known.at) < CURVE_KEPT_MS) return known.curve;
    // A message without a picture is better than none.
    const curve = this.ask(alert, nowMs).catch(() => null);
    this.curves.delete(key);
    this.curves.set(key, { at: nowMs, curve });
    if (this.curves.size > CURVES_MAX) this.curves.delete(this.curves.keys().next().value!);
    return curve;
  }

  private async ask(alert: NoticeAlert, nowMs: number): Promise<CurveData | null> {
    const to = alert.resolvedAt === null ? nowMs : Math.min(nowMs, alert.resolvedAt + CURVE_BEFORE_MS);
    const from = Math.max(alert.startedAt - CURVE_BEFORE_MS, to - CURVE_MS_MAX);
    const threshold = alert.facts?.threshold ?? null;
    if (alert.meterId !== null) {
      const windows = await this.modules.ask<'meterCurve'>({ kind: 'meterCurve', meterId: alert.meterId, from, to });
      const isVoltage = alert.facts?.unit === 'V';
      const points = windows.map((window) => ({ at: window.windowStart, value: isVoltage ? window.voltageAvg : window.avgPowerKw }));
      return { what: isVoltage ? 'voltage' : 'power', label: alert.meterId, unit: isVoltage ? 'V' : 'kW', points: withGaps(points), threshold: null };
    }
    const windows = await this.modules.ask<'regionCurve'>({ kind: 'regionCurve', region: alert.region!, from, to });
    const isPercent = windows.some(({ loadPercent }) => loadPercent !== null);
    const points = windows.map((window) => ({ at: window.windowStart, value: isPercent ? window.loadPercent : window.sumPowerKw }));
    return { what: 'load', label: alert.region!, unit: isPercent ? '%' : 'kW', points: withGaps(points), threshold: isPercent && alert.facts?.unit === '%' ? threshold : null };
  }
}

const WINDOW_MS = 60_000;

/** Where a window is missing the curve has a gap. */
function withGaps(points: readonly { at: number; value: number | null }[]): { at: number; value: number | null }[] {
  return points.flatMap((point, i) => (i > 0 && point.at > points[i - 1].at + WINDOW_MS ? [{ at: points[i - 1].at + WINDOW_MS, value: null }, point] : [point]));
}
