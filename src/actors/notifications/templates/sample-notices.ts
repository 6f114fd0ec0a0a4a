import type { Severity } from '../../../model/anomaly.ts';
import type { ChannelName, Contact } from '../../../model/contact.ts';
import type { Notice, NoticeAlert } from '../../../model/notice.ts';
import type { CurveData } from './curve-picture.ts';

/** Notices that nothing has happened for: to see how a message will look, and to try a channel. */

/** Of the alert in a sample notice, which is in no book. */
export const SAMPLE_ALERT_ID = 'sample';
const MINUTE_MS = 60_000;
const SPAN_MS = 6 * 60 * MINUTE_MS;

/** The notice of `test` messages: it names no alert. */
export function testNotice(contact: Contact, channel: ChannelName, nowMs: number): Notice {
  return { id: `test/${nowMs}`, at: nowMs, reason: 'test', group: `test/${contact.id}/${channel}`, severity: 'INFO', regions: [], alerts: [], alertCount: 0, resolvedCount: 0, level: 0, recipients: [contact.id], subscribers: false };
}

/** A notice of that severity, as a rule of the engine might have made it. */
export function sampleNotice(severity: Severity, contact: Contact, nowMs: number): Notice {
  const alert = severity === 'CRITICAL' ? sampleOverload(nowMs) : sampleSpike(severity, nowMs);
  return { id: 'sample/1', at: nowMs, reason: 'new', group: 'sample', severity, regions: ['region-03'], alerts: [alert], alertCount: 1, resolvedCount: 0, level: 0, recipients: [contact.id], subscribers: false };
}

function sampleOverload(nowMs: number): NoticeAlert {
  return {
    id: SAMPLE_ALERT_ID,
    type: 'REGIONAL_OVERLOAD',
    severity: 'CRITICAL',
    state: 'open',
    title: 'Region region-03 is at 94 % of its capacity',
    description: 'Load was 19.7 kW of 21 kW in the last two minutes; the limit is 90 %.',
    region: 'region-03',
    meterId: null,
    affectedMeters: 1,
    startedAt: nowMs - 4 * MINUTE_MS,
    resolvedAt: null,
    facts: { kind: 'regional_load', component: null, value: 94, threshold: 90, unit: '%' },
  };
}

function sampleSpike(severity: Severity, nowMs: number): NoticeAlert {
  return {
    id: SAMPLE_ALERT_ID,
    type: 'ANOMALY',
    severity,
    state: 'open',
    title: 'Meter meter-000042 draws far more than usual',
    description: 'Measured 7.4 kW where 1.2 kW was expected.',
    region: 'region-03',
    meterId: 'meter-000042',
    affectedMeters: 1,
    startedAt: nowMs - 4 * MINUTE_MS,
    resolvedAt: null,
    facts: { kind: 'spike', component: null, value: 7.4, threshold: 1.2, unit: 'kW' },
  };
}

/** A curve to go with it. */
export function sampleCurve(severity: Severity, nowMs: number): CurveData {
  const isLoad = severity === 'CRITICAL';
  const [usual, peak] = isLoad ? [14, 19.74] : [1.2, 7.4];
  const points = [];
  for (let at = nowMs - SPAN_MS; at <= nowMs; at += MINUTE_MS) {
    const age = (nowMs - at) / SPAN_MS;
    const wave = Math.sin(age * 9) * 0.12 + Math.sin(age * 71) * 0.012 + Math.sin(age * 233) * 0.008 + Math.sin(age * 1_013) * 0.012;
    points.push({ at, value: usual * (1 + wave) + (peak - usual) * Math.exp(-age * (isLoad ? 6 : 40)) });
  }
  const band = points.map(({ at }) => ({ at, low: usual * 0.8, high: usual * 1.2 }));
  return { what: isLoad ? 'load' : 'power', label: isLoad ? 'region-03' : 'meter-000042', unit: 'kW', points, threshold: isLoad ? 18.9 : null, band: isLoad ? null : band };
}
