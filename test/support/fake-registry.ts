import type { RegisteredMeter } from '../../src/model/registered-meter.ts';
import type { RegistryPort } from '../../src/http/registry-port.ts';
import { AT } from './fake-engine.ts';
import { facts, id } from './registry-world.ts';

/** A registry of the one meter of fake-engine.ts that notes what it is asked. Replace its functions to make it fail. */

export const REGISTERED: RegisteredMeter = {
  ...facts({ serial: 'LG-4711', manufacturer: 'Landis', model: 'E450', address: { street: 'Hauptstraße 1', postalCode: '50667', city: 'Köln', country: 'DE' }, location: { latitude: 50.94, longitude: 6.96 }, phases: 3, ratedPowerKw: 14.5, cadenceSeconds: 900, installedOn: '2020-03-01' }),
  meterId: id('meter:1'), version: 4, updatedAt: AT, updatedBy: 'ada@example.org',
};

export interface FakeRegistry extends RegistryPort {
  /** Each call's name and arguments. */
  asked: unknown[][];
}

export function fakeRegistry(): FakeRegistry {
  const asked: unknown[][] = [];
  return {
    asked,
    meter: async (meterId) => (asked.push(['meter', meterId]), meterId === REGISTERED.meterId ? REGISTERED : null),
    page: async (query) => (asked.push(['page', query]), { data: [REGISTERED], nextCursor: query.cursor === null ? '0.north/meter:1' : null }),
    put: async (put) => (asked.push(['put', put]), { ...REGISTERED, ...put.facts, meterId: put.meterId, version: 5 }),
    change: async (patch) => (asked.push(['change', patch]), { ...REGISTERED, version: 5 }),
    remove: async (...removed) => void asked.push(['remove', ...removed]),
    importRows: async (rows, options) => {
      const all = [...rows];
      asked.push(['importRows', all, options]);
      return all.map((row) => ('refusal' in row ? { meterId: row.meterId, outcome: 'refused', refusal: row.refusal } : { meterId: row.meterId, outcome: 'created' }));
    },
  };
}
