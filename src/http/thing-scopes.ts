import { dayStart } from '../actors/tariffs/calendar.ts';
import type { Subject, SubjectTime } from '../model/access.ts';
import type { Alert } from '../model/alert.ts';
import type { Agreement, Bill } from '../model/billing.ts';
import { asMeterId, type MeterId, type RegionId } from '../model/ids.ts';
import type { AlertsPort } from './alerts-port.ts';
import { monthsLater } from './local-spans.ts';
import { ABOUT_EVERYTHING, type ThingScope } from './operation.ts';
import type { RegistryPort } from './registry-port.ts';
import type { TariffsPort } from './tariffs-port.ts';

/** Whose the things are that several routes name by id in their first parameter. */

/** Of the meter or the region that the alert is about; one of a part of the engine is nobody's. */
export function alertScope(alerts: AlertsPort): ThingScope<object, unknown> {
  return { noun: 'alert', words: 'of the meter or the region that the alert is about', of: ({ path: [id] }) => alertSubjects(alerts, [id]) };
}

export async function alertSubjects(alerts: AlertsPort, ids: readonly string[]): Promise<Subject[] | null> {
  const subjects: Subject[] = [];
  for (const id of ids) {
    const detail = await alerts.ask({ kind: 'alert', id });
    if (detail === null) return null;
    subjects.push(alertSubject(detail.alert));
  }
  return subjects;
}

export function agreementScope(tariffs: TariffsPort): ThingScope<object, unknown> {
  return { noun: 'agreement', words: 'of the agreement\'s meter', of: async ({ path: [id] }) => [agreementSubject(await tariffs.ask({ kind: 'agreement', id }))] };
}

export function invoiceScope(tariffs: TariffsPort): ThingScope<object, unknown> {
  return { noun: 'invoice', words: 'of the invoice\'s meter', of: async ({ path: [id] }) => invoiceSubjects(tariffs, id) };
}

export async function invoiceSubjects(tariffs: TariffsPort, id: string): Promise<Subject[]> {
  return [{ ...billSubject(await tariffs.ask({ kind: 'invoice', id })), region: null }];
}

/** Of an alert, from when its condition began. */
export function alertSubject({ meterId, region, startedAt, resolved }: Alert): Subject {
  return { ...subjectOf(meterId, region), time: { from: startedAt, to: resolved?.at ?? null, share: 'all' } };
}

/** A bill is of one agreement, and so of one customer: it is theirs in whose time the middle of its period lies, whatever hour the keys changed hands. */
export function billSubject({ meterId, region, zone, from, to }: Pick<Bill, 'meterId' | 'region' | 'zone' | 'from' | 'to'>): Subject {
  return { ...subjectOf(meterId, region), time: { from: dayStart(zone, from), to: dayStart(zone, to), share: 'most' } };
}

/** The same of an agreement, which names its customer. Its days are those of its tariff, whose zone moves the middle by no more than half a day. */
export function agreementSubject({ meterId, movedIn, movedOut }: Agreement): Subject {
  return { ...subjectOf(meterId, null), time: daysTime(movedIn, movedOut) };
}

/** Of a month of an agreement. */
export function monthSubject({ meterId, movedIn, movedOut }: Agreement, month: string): Subject {
  const [from, to] = [`${month}-01`, `${monthsLater(month, 1)}-01`];
  return { ...subjectOf(meterId, null), time: daysTime(movedIn > from ? movedIn : from, movedOut !== null && movedOut < to ? movedOut : to) };
}

function daysTime(from: string, to: string | null): SubjectTime {
  return { from: Date.parse(from), to: to === null ? null : Date.parse(to), share: 'most' };
}

/** Of the meter and the region that the registry has it in, whether it has ever sent anything or not; a change to another region is of that one, too. */
export function registeredMeterScope(registry: RegistryPort): ThingScope<object, { region?: string } | null> {
  return {
    noun: 'registered meter',
    words: 'of the meter, by the region that the registry has it in',
    of: async ({ path: [name], body }) => {
      const meterId = asMeterId(name);
      const meter = meterId === null ? null : await registry.meter(meterId);
      if (meter === null) return null;
      const subject = subjectOf(meter.meterId, meter.region);
      return body?.region === undefined ? [subject] : [subject, subjectOf(meter.meterId, body.region)];
    },
  };
}

/** Of regions that a document names; of everything where one may stand for others, or none is named. */
export function regionSubjects(regions: readonly string[]): readonly Subject[] {
  if (regions.length === 0 || regions.some((region) => region.includes('*'))) return [ABOUT_EVERYTHING];
  return regions.map((region) => subjectOf(null, region));
}

/** Supervisors have ids as plain text. */
export function subjectOf(meterId: string | null, region: string | null): Subject {
  return { meterId: meterId as MeterId | null, region: region as RegionId | null };
}
