import { describe, expect, test } from 'vitest';
import { meterChangeSchema, meterFactsSchema } from '../../src/http/registry-fields.ts';
import { ID_PATTERN } from '../../src/model/ids.ts';
import { DEFAULT_CUSTOMER_CLASS } from '../../src/model/registered-meter.ts';
import { REGISTERED } from '../support/fake-registry.ts';

/** An entry of the registry as a page lets somebody change it. The page is JavaScript without declarations, hence the dynamic imports. */
const web = (file: string) => import(new URL(`../../web/${file}`, import.meta.url).href);
const { changeOf, FIELDS, METER_ID, newEntryOf, newTexts, overNewer, textsOf } = await web('registry/entry-fields.js');
const { OUTCOMES, timesOf } = await web('registry/entry-people.js');
const { addressText } = await web('registry/registry-words.js');

const ENTRY = { ...REGISTERED, status: 'installed' };
const typed = (over: Record<string, string>) => ({ ...textsOf(ENTRY), ...over });

describe('an entry as fields', () => {
  test('has one for each that the gateway takes', () => {
    const taken = Object.entries(meterChangeSchema.shape).flatMap(([name]) => (name === 'address' ? ['street', 'postalCode', 'city', 'country'].map((part) => `address.${part}`) : name === 'location' ? ['location.latitude', 'location.longitude'] : [name]));
    expect(FIELDS.map(({ path }: { path: string }) => path).sort()).toEqual(taken.sort());
  });

  test('that nobody touched is no change', () => {
    expect(changeOf(ENTRY, textsOf(ENTRY))).toEqual({ change: {}, faults: [] });
    expect(changeOf(ENTRY, typed({ serial: ' LG-4711 ' })).change).toEqual({});
  });

  test('names what is different alone, in the types of the gateway; what is emptied is null', () => {
    const { change, faults } = changeOf(ENTRY, typed({ ratedPowerKw: '17,3', 'address.city': 'Bonn', phases: '1', note: ' by the door ', serial: '', cadenceSeconds: '60' }));
    expect([change, faults]).toEqual([{ ratedPowerKw: 17.3, address: { city: 'Bonn' }, phases: 1, note: 'by the door', serial: null, cadenceSeconds: 60 }, []]);
    expect(meterChangeSchema.safeParse(change).success).toBe(true);
  });

  test('has both parts of an address that were changed', () => {
    expect(changeOf(ENTRY, typed({ 'address.city': 'Bonn', 'address.street': '' })).change).toEqual({ address: { street: null, city: 'Bonn' } });
  });

  test('has a place of both degrees, or none', () => {
    expect(changeOf(ENTRY, typed({ 'location.latitude': '51' })).change).toEqual({ location: { latitude: 51, longitude: 6.96 } });
    expect(changeOf(ENTRY, typed({ 'location.latitude': '', 'location.longitude': '' })).change).toEqual({ location: null });
    expect(changeOf(ENTRY, typed({ 'location.latitude': '' })).faults).toEqual([{ path: 'location.latitude', message: expect.stringContaining('both') }]);
    expect(changeOf({ ...ENTRY, location: null }, { ...textsOf({ ...ENTRY, location: null }), 'location.latitude': '50' }).faults).toEqual([{ path: 'location.longitude', message: expect.stringContaining('both') }]);
  });

  test('says where a number is none', () => {
    expect(changeOf(ENTRY, typed({ ratedPowerKw: '14.5 kW', 'location.longitude': 'east' })).faults.map(({ path }: { path: string }) => path)).toEqual(['location.longitude', 'ratedPowerKw']);
  });

  test('over what somebody else has changed keeps what was typed, takes the rest, and says what both changed', () => {
    const now = { ...ENTRY, ratedPowerKw: 20, model: 'E350', note: 'moved', version: 5 };
    const { texts, clashes } = overNewer(ENTRY, typed({ ratedPowerKw: '17,3', serial: 'LG-1', note: 'moved' }), now);
    expect([texts.ratedPowerKw, texts.serial, texts.model, texts.note, texts['address.city']]).toEqual(['17,3', 'LG-1', 'E350', 'moved', 'Köln']);
    expect(clashes).toEqual({ ratedPowerKw: '20' });
    expect(changeOf(now, texts).change).toEqual({ ratedPowerKw: 17.3, serial: 'LG-1' });
  });
});

describe('an entry that is made', () => {
  test('has an id as the gateway takes them, and what is known of it as the gateway takes that', () => {
    expect([METER_ID.source, newTexts('m').customerClass]).toEqual([ID_PATTERN.source, DEFAULT_CUSTOMER_CLASS]);
    const { id, facts, faults } = newEntryOf({ ...newTexts(' m:9'), region: 'north', 'address.city': 'Bonn', 'location.latitude': '50,7', 'location.longitude': '7.1', phases: '3' });
    expect([id, facts, faults]).toEqual(['m:9', { customerClass: 'residential', region: 'north', address: { city: 'Bonn' }, location: { latitude: 50.7, longitude: 7.1 }, phases: 3 }, []]);
    expect(meterFactsSchema.parse(facts)).toMatchObject({ serial: null, address: { street: null, city: 'Bonn' }, installedOn: null });
  });

  test('has its faults at their fields, those of its name first', () => {
    expect(newEntryOf({ ...newTexts('a b'), ratedPowerKw: 'much' }).faults.map(({ path }: { path: string }) => path)).toEqual(['meterId', 'region', 'ratedPowerKw']);
  });
});

describe('whose a meter is', () => {
  test('from the first moment of a day until the midnight after the last, by the clock on the wall', () => {
    expect(timesOf('2026-03-29', '2026-03-29')).toEqual({ from: new Date(2026, 2, 29).toISOString(), until: new Date(2026, 2, 30).toISOString() });
    expect(timesOf('2026-12-01', '2026-12-31')).toEqual({ from: new Date(2026, 11, 1).toISOString(), until: new Date(2027, 0, 1).toISOString() });
    expect(timesOf('', '')).toEqual({ from: null, until: null });
  });

  test('only what was done is said as done', () => {
    expect(Object.entries(OUTCOMES).filter(([, { isError }]: any) => !isError).map(([code]) => code)).toEqual(['assigned', 'removed', 'unchanged']);
  });

  test('an address is written as people write it', () => {
    expect(addressText(ENTRY.address)).toBe('Hauptstraße 1, 50667 Köln, DE');
    expect(addressText({ street: null, postalCode: null, city: 'Köln', country: null })).toBe('Köln');
    expect(addressText({ street: null, postalCode: null, city: null, country: null })).toBe('');
  });
});
