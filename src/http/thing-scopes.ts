import type { Subject } from '../model/access.ts';
import { asMeterId, type MeterId, type RegionId } from '../model/ids.ts';
import type { AlertsPort } from './alerts-port.ts';
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
    subjects.push(subjectOf(detail.alert.meterId, detail.alert.region));
  }
  return subjects;
}

export function agreementScope(tariffs: TariffsPort): ThingScope<object, unknown> {
  return { noun: 'agreement', words: 'of the agreement\'s meter', of: async ({ path: [id] }) => [subjectOf((await tariffs.ask({ kind: 'agreement', id })).meterId, null)] };
}

export function invoiceScope(tariffs: TariffsPort): ThingScope<object, unknown> {
  return { noun: 'invoice', words: 'of the invoice\'s meter', of: async ({ path: [id] }) => invoiceSubjects(tariffs, id) };
}

export async function invoiceSubjects(tariffs: TariffsPort, id: string): Promise<Subject[]> {
  return [subjectOf((await tariffs.ask({ kind: 'invoice', id })).meterId, null)];
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
