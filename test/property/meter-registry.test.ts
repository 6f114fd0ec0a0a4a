import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { searchKey } from '../../src/actors/registry/search-keys.ts';
import { verifyMeterLists } from '../../src/actors/registry/verify-lists.ts';
import { changedFacts, METER_STATUSES, statusOn, type MeterChange, type RegisteredMeter } from '../../src/model/registered-meter.ts';
import { id, refusal, region, RegistryWorld, WRITE } from '../support/registry-world.ts';

/** The registry and the tables by which meters are found, against a plain list; some changes share a turn, and now and then the process dies. */

const DAY = '2026-11-27';
const METERS = ['m-1', 'm-10', 'm-2', 'M-1', 'x:1'];
const SERIALS = ['S1', 's1', 'S-10', 'T 7', null];
const CITIES = ['Köln', 'Koln', 'Köln Süd', 'Kassel', 'Ñuñoa/Ost', '東京', 'a'.repeat(100), null];
const DAYS = ['2026-11-26', DAY, '2026-11-28', '2025-01-01', null];

const change: fc.Arbitrary<MeterChange> = fc.record(
  {
    serial: fc.constantFrom(...SERIALS),
    customerClass: fc.constantFrom('residential', 'commercial'),
    region: fc.constantFrom('north', 'south', 'nowhere').map(region),
    address: fc.record({ city: fc.constantFrom(...CITIES), street: fc.constantFrom(...CITIES), postalCode: fc.constantFrom('50667', 'K-1', null) }, { requiredKeys: [] }),
    installedOn: fc.constantFrom(...DAYS),
    removedOn: fc.constantFrom(...DAYS),
    note: fc.constantFrom('x', null),
  },
  { requiredKeys: [] },
);
const step = fc.record({ kind: fc.constantFrom('put', 'change', 'import', 'import', 'trial', 'remove', 'crash'), meter: fc.constantFrom(...METERS), change, version: fc.constantFrom(null, null, 0, 1, 2) });

/** The highest version of those that were removed is where the next one begins. */
class List extends Map<string, RegisteredMeter> {
  removedVersion = 0;

  copy(): List {
    const copy = new List(this);
    copy.removedVersion = this.removedVersion;
    return copy;
  }

  remove(meterId: string): void {
    this.removedVersion = Math.max(this.removedVersion, this.get(meterId)!.version);
    this.delete(meterId);
  }
}

/** What should come of a change; the list has it then. */
function expected(list: List, meterId: string, given: MeterChange, replaces: boolean): string {
  const before = list.get(meterId);
  const after = changedFacts(replaces ? null : (before ?? null), given);
  if (replaces) after.region ??= region('north');
  if (after.region === undefined) return 'region_missing';
  if (after.region === 'nowhere' && before?.region !== 'nowhere') return 'unknown_region';
  if (after.removedOn !== null && (after.installedOn === null || after.removedOn < after.installedOn)) return 'bad_days';
  const holder = [...list.values()].find(({ serial }) => serial !== null && serial.toLowerCase() === after.serial?.toLowerCase());
  if (holder !== undefined && holder.meterId !== meterId) return 'serial_taken';
  const now = { ...after, meterId } as RegisteredMeter;
  const same = before !== undefined && JSON.stringify(sorted({ ...before, ...now })) === JSON.stringify(sorted(before));
  if (same) return 'unchanged';
  list.set(meterId, { ...now, version: (before?.version ?? list.removedVersion) + 1 });
  return before === undefined ? 'created' : 'updated';
}

function sorted(meter: RegisteredMeter): [string, unknown][] {
  return Object.entries(meter).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => [key, key === 'address' ? Object.entries(value as object).sort() : value]);
}

const ids = (meters: readonly RegisteredMeter[]): string[] => meters.map(({ meterId }) => meterId).sort();

describe('the registry of meters', () => {
  it('answers as a list of meters would', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.integer({ min: 1, max: 4 }), async (steps, limit) => {
        const world = new RegistryWorld();
        const list = new List();
        const named = new Map<string, RegisteredMeter>();
        for (const { kind, meter, change: given, version } of steps) {
          const before = list.get(meter)?.version ?? 0;
          const isStale = version !== null && version !== before;
          if (kind === 'crash') world.restart();
          else if (kind === 'put') {
            const said = await refusal(world.put(meter, given, version));
            expect(said).toBe(isStale ? 'stale_version' : outcomeOf(expected(list, meter, given, true)));
          } else if (kind === 'change') {
            const said = await refusal(world.change(meter, given, version));
            expect(said).toBe(before === 0 ? 'unknown_registered_meter' : isStale ? 'stale_version' : outcomeOf(expected(list, meter, given, false)));
          } else if (kind === 'remove') {
            const said = await refusal(world.actor.remove(id(meter), version));
            expect(said).toBe(before === 0 ? 'unknown_registered_meter' : isStale ? 'stale_version' : 'nothing');
            if (said === 'nothing') list.remove(meter);
          } else {
            const rows = METERS.slice(0, 3).map((meterId) => ({ meterId: id(meterId), change: given }));
            const tried = list.copy();
            const wanted = rows.map(({ meterId, change: one }) => expected(kind === 'trial' ? tried : list, meterId, one, false));
            const outcomes = await world.actor.importRows(rows, { ...WRITE, isDryRun: kind === 'trial' });
            expect(outcomes.map((row) => (row.outcome === 'refused' ? row.refusal.code : row.outcome))).toEqual(wanted);
          }
          // Whoever has seen a version of a meter knows what it is, whatever became of the meter in between.
          for (const shown of world.all({ limit })) {
            const name = `${shown.meterId} ${shown.version}`;
            expect(shown).toEqual(named.get(name) ?? shown);
            named.set(name, shown);
          }
        }
        const all = [...list.values()];
        expect(world.all({ limit }).map(({ meterId, version, serial }) => [meterId, version, serial])).toEqual(all.map(({ meterId, version, serial }) => [meterId, version, serial]).sort(([a], [b]) => (a! < b! ? -1 : 1)));
        for (const status of [null, ...METER_STATUSES]) {
          for (const regions of [null, ['north'], ['south', 'north'], []].map((names) => names?.map(region) ?? null)) {
            for (const customerClass of [null, 'commercial']) {
              const isAsked = (meter: RegisteredMeter): boolean => (status === null || statusOn(meter, DAY) === status) && (regions === null || regions.includes(meter.region)) && (customerClass === null || meter.customerClass === customerClass);
              expect(ids(world.all({ status, regions, customerClass, limit }))).toEqual(ids(all.filter(isAsked)));
            }
          }
        }
        for (const text of ['m-1', 'M', 's', 'S-1', 'ko', 'KÖLN S', 'ñu', '東', '5', 'a'.repeat(64), 'zz']) {
          const sought = searchKey(text);
          const begins = (of: string | null): boolean => of !== null && searchKey(of).startsWith(sought);
          const isFound = ({ meterId, serial, address }: RegisteredMeter): boolean => meterId.startsWith(text) || [serial, address.city, address.street, address.postalCode].some(begins);
          expect(ids(world.all({ text, limit })), text).toEqual(ids(all.filter(isFound)));
        }
        const faults: string[] = [];
        verifyMeterLists(world.store, (where, problem) => faults.push(`${where} ${problem}`));
        expect(faults).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });

  it('finds by what people type, whatever the letters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.nat(20), (text, length) => {
        const beginning = [...text.normalize('NFC')].slice(0, length).join('');
        const key = searchKey(text.normalize('NFC'));
        expect(key).toMatch(/^[\x21-\x7e]*$/);
        expect(key).not.toContain('/');
        // Of what is one letter with what stands after it, half is none: only whole ones are typed.
        if (/^[\p{L}\p{N}]*$/u.test(text)) expect(key.startsWith(searchKey(beginning))).toBe(true);
      }),
    );
    for (const [a, b] of [['Straße', 'STRASSE'], ['São Paulo', 'sao  paulo'], ['Łódź', 'łódź'], [' x', 'X']]) expect(searchKey(a)).toBe(searchKey(b));
  });
});

function outcomeOf(outcome: string): string {
  return ['created', 'updated', 'unchanged'].includes(outcome) ? 'nothing' : outcome;
}
