import type { NoticeAlert } from '../../../model/notice.ts';
import type { LocalFormats } from './local-formats.ts';
import type { MessageTexts } from './message-texts.ts';

const TYPES = {
  METER_OUTAGE: ['Ausfall', 'Ausfälle'],
  REGIONAL_OVERLOAD: ['Überlastung', 'Überlastungen'],
  ANOMALY: ['Auffälligkeit', 'Auffälligkeiten'],
  SYSTEM_FAILURE: ['Störung des Systems', 'Störungen des Systems'],
} as const;

export const GERMAN: MessageTexts = {
  language: 'de',
  severity: { INFO: 'INFO', WARN: 'WARNUNG', CRITICAL: 'KRITISCH' },
  resolved: 'BEHOBEN',
  test: 'TEST',
  state: { open: 'offen', acknowledged: 'bestätigt', resolved: 'behoben' },
  reason(reason, level) {
    switch (reason) {
      case 'changed':
        return 'geändert';
      case 'repeated':
        return 'weiterhin offen';
      case 'escalated':
        return `eskaliert, Stufe ${level + 1}`;
      default:
        return null;
    }
  },
  alerts: (count, type) => `${count} ${type === null ? plural(count, 'Alarm', 'Alarme') : plural(count, TYPES[type][0], TYPES[type][1])}`,
  inRegions: (regions) => `in ${regions}`,
  regions: (count) => `${count} Regionen`,
  resolvedOf: (count) => `${count} behoben`,
  notices: (count) => `${count} ${plural(count, 'Meldung', 'Meldungen')}`,
  more: (count) => `und ${count} ${plural(count, 'weiterer Alarm', 'weitere Alarme')}`,
  moreNotices: (count) => `und ${count} ${plural(count, 'weitere Meldung', 'weitere Meldungen')}`,

  title: germanTitle,
  description: germanDescription,

  region: 'Region',
  meter: 'Zähler',
  since: 'Seit',
  until: 'Behoben',
  stateLabel: 'Zustand',
  affected: 'Betroffen',
  meters: (count) => `${count} Zähler`,
  ago: (duration) => `vor ${duration}`,
  after: (duration) => `nach ${duration}`,
  sinceMoment: (moment) => `Seit ${moment}.`,
  resolvedMoment: (moment) => `Behoben ${moment}.`,

  curveTitle: (what, of) => `${{ load: 'Last', power: 'Leistung', voltage: 'Spannung' }[what]} von ${of}`,
  curveSpan: (from, to) => `${from} bis ${to}`,
  curveNow: (value) => `jetzt ${value}`,
  curveHighest: (value, time) => `höchstens ${value} um ${time}`,
  curveThreshold: (value) => `Grenze ${value}`,
  curveBand: 'schattiert: was um diese Zeit üblich ist',

  testText: (channel) => `Dies ist ein Test: ${channel}. Es ist nichts passiert; jemand wollte wissen, ob Sie erreichbar sind.`,
  channel: { email: 'E-Mail', sms: 'SMS', push: 'Push-Nachricht', webhook: 'Webhook', live: 'Live-Ansicht' },
  open: 'Alarm öffnen',
  whyRecipient: (level) =>
    level === 0
      ? 'Sie erhalten dies, weil Sie Bereitschaft haben oder als zu Benachrichtigende eingetragen sind.'
      : `Sie erhalten dies, weil es noch niemand bestätigt hat und Sie auf Stufe ${level + 1} der Eskalation stehen.`,
  whySubscriber: 'Sie erhalten dies, weil Sie solche Alarme abonniert haben.',
  zone: (zone) => `Zeiten sind Ortszeit: ${zone}.`,
  unsubscribe: 'Keine solchen E-Mails mehr',
  reference: (reference) => `Zeichen ${reference}`,
  referenceShort: (reference) => `Z. ${reference}`,
};

function germanTitle(alert: NoticeAlert, formats: LocalFormats): string | null {
  const { facts, meterId, region } = alert;
  switch (facts?.kind) {
    case 'outage':
      return `Zähler ${meterId} ist ausgefallen`;
    case 'spike':
      return `Zähler ${meterId} verbraucht ungewöhnlich viel`;
    case 'drop':
      return `Zähler ${meterId} verbraucht ungewöhnlich wenig`;
    case 'flat_line':
      return `Zähler ${meterId} misst immer dasselbe`;
    case 'voltage_band':
      return `Spannung von Zähler ${meterId} außerhalb des Bandes`;
    case 'regional_load':
      return facts.unit === '%' && facts.value !== null ? `Region ${region} bei ${formats.figure(facts.value, '%')} der Kapazität` : `Region ${region} ist überlastet`;
    case 'region_dark':
      return `Region ${region} ohne Strom: ${formats.count(alert.affectedMeters)} Zähler`;
    case 'system':
      return `Störung im System: ${facts.component}`;
    default:
      return null;
  }
}

/** The figures; without any what the engine says, which is better than nothing. */
function germanDescription({ facts }: NoticeAlert, formats: LocalFormats): string | null {
  if (facts === undefined || facts.value === null || facts.unit === null) return null;
  const measured = `Gemessen ${figure(facts.value, facts.unit, formats)}`;
  return facts.threshold === null ? `${measured}.` : `${measured}, Grenze ${figure(facts.threshold, facts.unit, formats)}.`;
}

function figure(value: number, unit: 'kW' | 'V' | '%' | 'meters', formats: LocalFormats): string {
  return unit === 'meters' ? `${formats.count(value)} Zähler` : formats.figure(value, unit);
}

function plural(count: string, one: string, many: string): string {
  return count === '1' ? one : many;
}
