import { OperationalError } from '../../runtime/errors.ts';
import { nearestName } from '../../runtime/nearest-name.ts';

/** Fields of the registry of meters as columns of a file: what they are called, and what the API has in their place. */

export const METER_COLUMNS = [
  'meterId', 'serial', 'manufacturer', 'model', 'customerClass', 'region', 'street', 'postalCode', 'city', 'country', 'latitude', 'longitude', 'phases', 'ratedPowerKw', 'cadenceSeconds', 'installedOn', 'removedOn', 'note',
] as const;
export type MeterColumn = (typeof METER_COLUMNS)[number];

/** What files call them besides. */
const OTHER_NAMES: Readonly<Record<string, MeterColumn>> = { meter: 'meterId', id: 'meterId', serialnumber: 'serial', class: 'customerClass', zip: 'postalCode', postcode: 'postalCode', installed: 'installedOn', removed: 'removedOn' };
const IN_ADDRESS: ReadonlySet<string> = new Set(['street', 'postalCode', 'city', 'country']);
const NUMBERS: ReadonlySet<string> = new Set(['latitude', 'longitude', 'phases', 'ratedPowerKw', 'cadenceSeconds']);
const DAYS: ReadonlySet<string> = new Set(['installedOn', 'removedOn']);
/** These are never unknown. */
const NEVER_EMPTY: ReadonlySet<string> = new Set(['meterId', 'region', 'customerClass']);

/** Field and value, or field and column, as `city=Köln`. Throws OperationalError `usage`. */
export function namedField(text: string, option: string): [MeterColumn, string] {
  const equals = text.indexOf('=');
  if (equals < 1) throw new OperationalError('usage', `"${text}"${option} is not FIELD=…, such as city=Berlin`);
  return [fieldNamed(text.slice(0, equals)), text.slice(equals + 1)];
}

function fieldNamed(name: string): MeterColumn {
  const field = fieldOf(name);
  if (field !== null) return field;
  const nearest = nearestName(name, METER_COLUMNS);
  throw new OperationalError('usage', `there is no field "${name}"${nearest === null ? '' : `, did you mean "${nearest}"?`}; there are ${METER_COLUMNS.join(', ')}`);
}

/** The field that a column is of, by its name in whatever letters; null: of none. */
export function fieldOf(header: string): MeterColumn | null {
  const plain = header.toLowerCase().replace(/[^a-z]/g, '');
  return METER_COLUMNS.find((column) => column.toLowerCase() === plain) ?? OTHER_NAMES[plain] ?? null;
}

/** A row of the API. An empty text means that it is not known; what is no number, or no day, is left for the API to refuse. */
export function rowOfFields(fields: Iterable<readonly [MeterColumn, string]>): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  const address: Record<string, unknown> = {};
  const location: Record<string, unknown> = {};
  for (const [field, given] of fields) {
    const text = given.trim().replace(AS_TEXT, '');
    if (text === '' && NEVER_EMPTY.has(field)) continue;
    const value = text === '' ? null : NUMBERS.has(field) ? numberOr(text) : DAYS.has(field) ? dayOr(text) : field === 'country' ? text.toUpperCase() : text;
    if (IN_ADDRESS.has(field)) address[field] = value;
    else if (field === 'latitude' || field === 'longitude') location[field] = value;
    else row[field] = value;
  }
  if (Object.keys(address).length > 0) row.address = address;
  const places = Object.values(location);
  // One without the other is the API's to refuse.
  if (places.length > 0) row.location = places.every((place) => place === null) ? null : location;
  return row;
}

/** The other way round, for files. */
export function fieldsOfMeter(meter: Record<string, unknown>): string[] {
  const { address, location } = meter as { address: Record<string, unknown>; location: Record<string, unknown> | null };
  return METER_COLUMNS.map((column) => String((IN_ADDRESS.has(column) ? address[column] : column === 'latitude' || column === 'longitude' ? location?.[column] : meter[column]) ?? ''));
}

/** An apostrophe before what a spreadsheet would take for a formula, as tables of the engine have it (model/csv-cell.ts). */
const AS_TEXT = /^'(?=[=+\-@\uff1d\uff0b\uff0d\uff20])/;

/** With a point or a comma. */
function numberOr(text: string): number | string {
  return /^-?\d+([.,]\d+)?$/.test(text) ? Number(text.replace(',', '.')) : text;
}

/** As 2026-07-01, or 01.07.2026. */
function dayOr(text: string): string {
  const [, day, month, year] = /^(\d{2})\.(\d{2})\.(\d{4})$/.exec(text) ?? [];
  return year === undefined ? text : `${year}-${month}-${day}`;
}
