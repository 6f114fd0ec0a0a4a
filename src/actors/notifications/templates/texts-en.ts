import type { MessageTexts } from './message-texts.ts';

const TYPES = {
  METER_OUTAGE: ['meter outage', 'meter outages'],
  REGIONAL_OVERLOAD: ['regional overload', 'regional overloads'],
  ANOMALY: ['anomaly', 'anomalies'],
  SYSTEM_FAILURE: ['failure of the engine', 'failures of the engine'],
} as const;

export const ENGLISH: MessageTexts = {
  language: 'en',
  severity: { INFO: 'INFO', WARN: 'WARNING', CRITICAL: 'CRITICAL' },
  resolved: 'RESOLVED',
  test: 'TEST',
  state: { open: 'open', acknowledged: 'acknowledged', resolved: 'resolved' },
  reason(reason, level) {
    switch (reason) {
      case 'changed':
        return 'update';
      case 'repeated':
        return 'still open';
      case 'escalated':
        return `escalated, level ${level + 1}`;
      default:
        return null;
    }
  },
  alerts: (count, type) => `${count} ${type === null ? plural(count, 'alert', 'alerts') : plural(count, TYPES[type][0], TYPES[type][1])}`,
  inRegions: (regions) => `in ${regions}`,
  regions: (count) => `${count} regions`,
  resolvedOf: (count) => `${count} resolved`,
  notices: (count) => `${count} ${plural(count, 'notice', 'notices')}`,
  more: (count) => `and ${count} more ${plural(count, 'alert', 'alerts')}`,
  moreNotices: (count) => `and ${count} more ${plural(count, 'notice', 'notices')}`,

  title: () => null,
  description: () => null,

  region: 'Region',
  meter: 'Meter',
  since: 'Since',
  until: 'Resolved',
  stateLabel: 'State',
  affected: 'Affected',
  meters: (count) => `${count} ${plural(count, 'meter', 'meters')}`,
  ago: (duration) => `${duration} ago`,
  after: (duration) => `after ${duration}`,
  sinceMoment: (moment) => `Since ${moment}.`,
  resolvedMoment: (moment) => `Resolved ${moment}.`,

  curveTitle: (what, of) => `${{ load: 'Load', power: 'Power', voltage: 'Voltage' }[what]} of ${of}`,
  curveSpan: (from, to) => `${from} to ${to}`,
  curveNow: (value) => `now ${value}`,
  curveHighest: (value, time) => `highest ${value} at ${time}`,
  curveThreshold: (value) => `limit ${value}`,
  curveBand: 'shaded: what is usual at this time',

  testText: (channel) => `This is a test of ${channel}. Nothing is wrong; whoever asked for it wanted to know whether you can be reached.`,
  channel: { email: 'e-mail', sms: 'SMS', push: 'push messages', webhook: 'the webhook', live: 'the live stream' },
  open: 'Open the alert',
  whyRecipient: (level) => (level === 0 ? 'You get this because you are on call or named as the one to be told.' : `You get this because nobody has acknowledged it yet and you are at level ${level + 1} of its escalation.`),
  whySubscriber: 'You get this because you subscribed to such alerts.',
  zone: (zone) => `Times are local: ${zone}.`,
  unsubscribe: 'No more of these e-mails',
  reference: (reference) => `Reference ${reference}`,
  referenceShort: (reference) => `Ref ${reference}`,
};

function plural(count: string, one: string, many: string): string {
  return count === '1' ? one : many;
}
