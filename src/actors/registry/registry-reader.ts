import type { MeterId } from '../../model/ids.ts';
import type { Page } from '../../model/queries.ts';
import { statusOn, type RegisteredMeter } from '../../model/registered-meter.ts';
import { OperationalError } from '../../runtime/errors.ts';
import { RecordTable } from '../../runtime/record-table.ts';
import { afterPrefix } from '../../runtime/staged-store.ts';
import type { Store } from '../../runtime/store.ts';
import { METER_TABLES } from './meter-book.ts';
import type { RegistryQuery } from './protocol.ts';
import { idOfKey, NO_DAY, PLACE_FIELDS, searchKey, type PlaceLetter } from './search-keys.ts';

/** The registry as it is on disk, for who asks: between turns, and without waiting for one. */

/** Rows looked at for a page; past it the page ends, short as it may be, and says where to go on. As many as the largest page has: what takes a turn of the event loop is bounded, whatever is asked. */
const LOOKED_AT_MAX = 1_000;
const CURSOR = /^(\d{1,4})\.([\x21-\x7e]{1,1000})$/;
/** Before every key. */
const FIRST = '!';

/** A stretch of a table whose keys say which meters are meant. */
interface Stretch {
  table: RecordTable<unknown>;
  from: string;
  to: string;
  idOf(key: string, record: unknown): string;
  /** Whether a meter stands in this stretch: one that did in an earlier one is left out. */
  has(meter: RegisteredMeter): boolean;
}

export class RegistryReader {
  private readonly meters: RecordTable<RegisteredMeter>;
  private readonly tables: Readonly<Record<keyof typeof METER_TABLES, RecordTable<unknown>>>;

  constructor(store: Store) {
    this.meters = new RecordTable(store, METER_TABLES.meters);
    this.tables = Object.fromEntries(Object.entries(METER_TABLES).map(([name, table]) => [name, new RecordTable(store, table)])) as RegistryReader['tables'];
  }

  get(meterId: MeterId): RegisteredMeter | null {
    return this.meters.get(meterId);
  }

  count(): number {
    return this.meters.count();
  }

  /** `day`: today, as 2026-07-01. In the order of what is asked for: of ids, of regions, of days, or of what begins with a text. Throws `bad_cursor`. */
  page(query: RegistryQuery, day: string): Page<RegisteredMeter> {
    const stretches = this.stretchesOf(query, day);
    const start = startOf(query.cursor, stretches.length);
    const isAsked = filterOf(query, day);
    const data: RegisteredMeter[] = [];
    let looked = 0;
    let last = query.cursor;
    for (let at = start.at; at < stretches.length; at++) {
      const { table, from, to, idOf } = stretches[at];
      for (const { key, record } of table.range({ from: at === start.at && start.after !== null ? `${start.after}\x01` : from, to })) {
        if (data.length === query.limit || looked === LOOKED_AT_MAX) return { data, nextCursor: last };
        looked++;
        last = `${at}.${key}`;
        const meter = table === this.tables.meters ? (record as RegisteredMeter) : this.meters.get(idOf(key, record));
        if (meter === null || !isAsked(meter) || stretches.slice(0, at).some((earlier) => earlier.has(meter))) continue;
        data.push(meter);
      }
    }
    return { data, nextCursor: null };
  }

  /** What is read: of all that leads to what is asked for, what is likely to lead to the least besides. */
  private stretchesOf({ regions, customerClass, status, text }: RegistryQuery, day: string): Stretch[] {
    const { tables } = this;
    if (text !== null) return this.stretchesOfText(text);
    if (status === 'planned') return [listed(tables.installs, afterPrefix(`${day}/`), afterPrefix(`${NO_DAY}/`))];
    if (status === 'removed') return [listed(tables.removals, FIRST, afterPrefix(`${day}/`))];
    if (regions !== null) return [...regions].sort().map((region) => listed(tables.regions, `${region}/`, afterPrefix(`${region}/`)));
    if (customerClass !== null) return [listed(tables.classes, `${customerClass}/`, afterPrefix(`${customerClass}/`))];
    return [listed(tables.meters, FIRST, afterPrefix(''))];
  }

  private stretchesOfText(text: string): Stretch[] {
    const { meters, serials, places } = this.tables;
    const sought = searchKey(text);
    const stretches: Stretch[] = [{ ...listed(meters, text, afterPrefix(text)), has: ({ meterId }) => meterId.startsWith(text) }];
    if (sought === '') return stretches;
    stretches.push({ table: serials, from: sought, to: afterPrefix(sought), idOf: (_, record) => record as string, has: ({ serial }) => begins(serial, sought) });
    for (const [letter, field] of PLACE_FIELDS) stretches.push({ ...listed(places, placePrefix(letter, sought), afterPrefix(placePrefix(letter, sought))), has: ({ address }) => begins(address[field], sought) });
    return stretches;
  }
}

function listed(table: RecordTable<unknown>, from: string, to: string): Stretch {
  return { table, from, to, idOf: idOfKey, has: () => false };
}

function placePrefix(letter: PlaceLetter, sought: string): string {
  return `${letter}/${sought}`;
}

function begins(text: string | null, sought: string): boolean {
  return text !== null && searchKey(text).startsWith(sought);
}

function filterOf({ regions, customerClass, status }: RegistryQuery, day: string): (meter: RegisteredMeter) => boolean {
  const among = regions === null ? null : new Set<string>(regions);
  return (meter) => (among === null || among.has(meter.region)) && (customerClass === null || meter.customerClass === customerClass) && (status === null || statusOn(meter, day) === status);
}

/** Where a page goes on: after a key of one of the stretches. */
function startOf(cursor: string | null, stretches: number): { at: number; after: string | null } {
  if (cursor === null) return { at: 0, after: null };
  const [, at, after] = CURSOR.exec(cursor) ?? [];
  if (after === undefined || Number(at) >= stretches) throw new OperationalError('bad_cursor', 'the cursor is of no page');
  return { at: Number(at), after };
}
