import type { JsonSchema } from './json-schema.ts';

/** Examples of the API's document: what a field of this name may say, wherever its schema takes that. Ids that the engine gives have none: there is nothing of an example's. */

const BY_NAME: Readonly<Record<string, unknown>> = {
  meterId: 'meter-1',
  region: 'region-01',
  meters: ['meter-1'],
  regions: ['region-01'],
  by: 'Grace',
  name: 'Grace Hopper',
  email: 'grace@example.org',
  why: 'on my way',
  reason: 'too much',
  resolution: 'it is right',
  comment: 'works at the substation',
  note: 'behind the house',
  zone: 'Europe/Berlin',
  locale: 'de',
  serial: 'LG-4711',
  manufacturer: 'Landis+Gyr',
  postalCode: '50667',
  city: 'Köln',
  country: 'DE',
  customerClass: 'residential',
  installedOn: '2020-03-01',
  removedOn: '2026-07-01',
  startsOn: '2026-01-05',
  tariffId: 'time-of-use',
  month: '2026-07',
  amount: '25.00',
  price: '0.40',
  method: 'bank',
  reference: 'RF18 5390 0754 7034',
  password: 'three green kettles',
  newPassword: 'seven blue lanterns',
};
/** By the format of JSON Schema: of what begins, or is alone, and of what ends it. */
const BY_FORMAT: Readonly<Record<string, { begin: string; end: string }>> = { 'date-time': { begin: '2026-01-15T13:00:00Z', end: '2026-01-16T00:00:00Z' }, date: { begin: '2026-07-01', end: '2026-08-01' } };
const ENDS: ReadonlySet<string> = new Set(['to', 'until', 'endsAt', 'expiresAt', 'effectiveTo', 'movedOut']);

/** Adds them to what a body or a query may have, in place. */
export function addExamples(schema: JsonSchema): void {
  const { properties, items, anyOf, oneOf } = schema as { properties?: Record<string, JsonSchema>; items?: JsonSchema; anyOf?: JsonSchema[]; oneOf?: JsonSchema[] };
  for (const [name, property] of Object.entries(properties ?? {})) {
    const example = exampleOf(name, property);
    if (example !== undefined) property.examples = [example];
  }
  for (const part of [...Object.values(properties ?? {}), ...(items === undefined ? [] : [items]), ...(anyOf ?? []), ...(oneOf ?? [])]) addExamples(part);
}

/** Undefined: there is none for it. */
export function exampleOf(name: string, schema: JsonSchema): unknown {
  if (name in BY_NAME && takes(schema, BY_NAME[name])) return BY_NAME[name];
  return BY_FORMAT[formatOf(schema) ?? '']?.[ENDS.has(name) ? 'end' : 'begin'];
}

/** Of a text, or of one of the things that it may be. */
function formatOf({ format, anyOf = [] }: JsonSchema): string | undefined {
  return (format as string | undefined) ?? (anyOf as JsonSchema[]).map(formatOf).find((found) => found !== undefined);
}

/** Whether a schema of a text, or of a list of texts, takes it: of JSON Schema what these have. */
function takes(schema: JsonSchema, value: unknown): boolean {
  const { type, anyOf, allOf, items, pattern, maxLength, enum: choice, format } = schema as { type?: string; anyOf?: JsonSchema[]; allOf?: JsonSchema[]; items?: JsonSchema; pattern?: string; maxLength?: number; enum?: unknown[]; format?: string };
  if (anyOf !== undefined) return anyOf.some((one) => takes(one, value));
  if (Array.isArray(value)) return type === 'array' && items !== undefined && takes(items, value[0]);
  if (typeof value !== 'string' || (type !== undefined && type !== 'string') || (format !== undefined && format !== 'email')) return false;
  if (choice !== undefined) return choice.includes(value);
  const isTaken = (pattern === undefined || new RegExp(pattern, 'u').test(value)) && value.length <= (maxLength ?? Infinity);
  return isTaken && (allOf ?? []).every((one) => takes(one, value));
}
