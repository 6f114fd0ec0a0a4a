import type { Contact } from '../../src/model/contact.ts';
import type { Notice, NoticeAlert } from '../../src/model/notice.ts';
import type { MessageContext } from '../../src/actors/notifications/templates/message-context.ts';

/** Notices, alerts and people for tests of messages. */

/** A Friday, 14:36 in Berlin. */
export const NOTICE_NOW_MS = Date.UTC(2026, 10, 27, 13, 36);
const MINUTE_MS = 60_000;

export function aContact(overrides: Partial<Contact> = {}): Contact {
  return {
    id: 'c-anna',
    version: 1,
    name: 'Anna',
    zone: 'Europe/Berlin',
    locale: 'de-DE',
    addresses: { email: 'anna@grid.example', sms: '+4915112345678', push: [], webhook: null },
    preferences: { channels: { INFO: ['email'], WARN: ['email'], CRITICAL: ['sms', 'email'] }, subscription: null, quietHours: null, digest: null, perHourMax: 60 },
    unsubscribed: {},
    createdAt: 0,
    changedAt: 0,
    ...overrides,
  };
}

export const ANNA = aContact();
export const JOHN = aContact({ id: 'c-john', name: 'John', zone: 'America/New_York', locale: 'en-US' });

export function aNoticeAlert(overrides: Partial<NoticeAlert> = {}): NoticeAlert {
  return {
    id: '0123456789abcdef-mb2k1x00',
    type: 'REGIONAL_OVERLOAD',
    severity: 'CRITICAL',
    state: 'open',
    title: 'Region region-03 is at 94 % of its capacity',
    description: 'Load was 19.7 MW of 21 MW in the last two minutes; the limit is 90 %.',
    region: 'region-03',
    meterId: null,
    affectedMeters: 1,
    startedAt: NOTICE_NOW_MS - 4 * MINUTE_MS,
    resolvedAt: null,
    facts: { kind: 'regional_load', component: null, value: 94.2, threshold: 90, unit: '%' },
    ...overrides,
  };
}

export function anOutage(meterId: string, overrides: Partial<NoticeAlert> = {}): NoticeAlert {
  return aNoticeAlert({
    id: `outage-${meterId}`,
    type: 'METER_OUTAGE',
    severity: 'WARN',
    title: `Meter ${meterId} is out`,
    description: 'Silent for 12 min, three times its cadence.',
    meterId,
    facts: { kind: 'outage', component: null, value: 0, threshold: null, unit: 'kW' },
    ...overrides,
  });
}

/** Of these alerts, all of them named unless overrides say otherwise. */
export function aNotice(alerts: NoticeAlert[], overrides: Partial<Notice> = {}): Notice {
  return {
    id: 'group-1/1',
    at: NOTICE_NOW_MS,
    reason: 'new',
    group: 'group-1',
    severity: alerts[0]?.severity ?? 'INFO',
    regions: [...new Set(alerts.flatMap(({ region }) => region ?? []))],
    alerts,
    alertCount: alerts.length,
    resolvedCount: alerts.filter(({ state }) => state === 'resolved').length,
    level: 0,
    recipients: [],
    subscribers: true,
    ...overrides,
  };
}

export function aContext(overrides: Partial<MessageContext> = {}): MessageContext {
  return {
    curve: null,
    link: (alertId) => `https://grid.example/#alert=${alertId}`,
    unsubscribeLink: 'https://grid.example/unsubscribe?token=abc.def',
    nowMs: NOTICE_NOW_MS,
    reference: '3F9A',
    ...overrides,
  };
}

/** The words of an HTML document, as a reader sees them. */
export function wordsOfHtml(html: string): string {
  const bare = html.replace(/<head>.*?<\/head>/s, '').replace(/<[^>]*>/g, ' ');
  const entities: Record<string, string> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'", '&amp;': '&' };
  return bare.replace(/&(lt|gt|quot|#39|amp);/g, (entity) => entities[entity]).replace(/\s+/g, ' ');
}
