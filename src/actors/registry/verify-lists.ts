import type { RegisteredMeter } from '../../model/registered-meter.ts';
import { RecordTable } from '../../runtime/record-table.ts';
import type { Store } from '../../runtime/store.ts';
import { METER_TABLES } from './meter-book.ts';
import { keysOf } from './search-keys.ts';

/** Holds the tables by which meters are found against the meters: each key that should be there is, and there are as many as that. */
export function verifyMeterLists(store: Store, onFault: (where: string, problem: string) => void): void {
  const tables = Object.fromEntries(Object.entries(METER_TABLES).map(([name, table]) => [name, new RecordTable<unknown>(store, table)])) as Record<keyof typeof METER_TABLES, RecordTable<unknown>>;
  const expected = { serials: 0, regions: 0, classes: 0, installs: 0, removals: 0, places: 0 };
  for (const { key, record } of (tables.meters as RecordTable<RegisteredMeter>).range()) {
    const keys = keysOf(record);
    const lists = { serials: keys.serial, regions: keys.region, classes: keys.class, installs: keys.install, removals: keys.removal };
    if (record.meterId !== key) onFault(`meter ${key}`, `says that it is ${record.meterId}`);
    for (const [name, listed] of Object.entries(lists) as [keyof typeof lists, string | null][]) {
      if (listed === null) continue;
      expected[name]++;
      const found = tables[name].get(listed);
      if (found === null || (name === 'serials' && found !== key)) onFault(`meter ${key}`, `is not found by "${listed}" of the table "${METER_TABLES[name]}"`);
    }
    for (const place of keys.places) {
      expected.places++;
      if (tables.places.get(place) === null) onFault(`meter ${key}`, `is not found by "${place}" of the table "places"`);
    }
  }
  for (const [name, count] of Object.entries(expected) as [keyof typeof expected, number][]) {
    const there = tables[name].count();
    if (there !== count) onFault(`table "${METER_TABLES[name]}"`, `has ${there} entries where the meters give ${count}`);
  }
}
