import { z } from 'zod';
import { dayPattern } from '../model/day-pattern.ts';
import { ADDRESS_PARTS, DEFAULT_CUSTOMER_CLASS, METER_STATUSES, statusOn, type MeterFacts, type RegisteredMeter } from '../model/registered-meter.ts';
import { ID_PATTERN, type MeterId, type RegionId } from '../model/ids.ts';
import { FAULT_LINE, NOT_BLANK, ONE_LINE } from '../model/plain-text.ts';
import { customerClassField } from './billing-fields.ts';
import { idText, timeText } from './wire-schemas.ts';

/** Fields of the registry of meters: what is taken, and what is shown. */

/** One line: it stands in tables, and goes into files that other programs read. */
const line = (charsMax: number) =>
  z
    .string('expected a text')
    .trim()
    .max(charsMax, `expected ${charsMax} characters at most`)
    .regex(NOT_BLANK, 'expected a text, or null')
    .regex(ONE_LINE, FAULT_LINE)
    .nullable();

const FAULT_ID = 'expected 1–64 characters of A–Z a–z 0–9 . _ : -';
export const registeredIdField = z.string(FAULT_ID).regex(ID_PATTERN, FAULT_ID).transform((text) => text as MeterId);
const regionField = z.string(FAULT_ID).regex(ID_PATTERN, FAULT_ID).transform((text) => text as RegionId);
/** What is engraved or printed as a bar code; letters of elsewhere could look like these and be others. */
const serialField = z
  .string('expected a text')
  .trim()
  .regex(/^[\x20-\x7e]{1,64}$/, 'expected 1–64 letters, digits and signs of ASCII')
  .nullable();
/** A lifetime is 8–30 years; those of other centuries are slips of the pen. */
const dayField = z.string('expected a text').regex(dayPattern('19[5-9]\\d|20\\d\\d', '19([68][048]|[579][26])|20([02468][048]|[13579][26])'), 'expected a day of 1950 to 2099, such as 2026-07-01').nullable();

const within = (min: number, max: number) => z.number(`expected a number from ${min} to ${max}`).min(min, `expected a number from ${min} to ${max}`).max(max, `expected a number from ${min} to ${max}`);
const location = z.strictObject({ latitude: within(-90, 90), longitude: within(-180, 180) }).nullable();
/** A month; what sends more seldom is read by hand. */
const CADENCE_S_MAX = 31 * 86_400;
const FAULT_CADENCE = `expected whole seconds from 1 to ${CADENCE_S_MAX}`;

const addressFields = { street: line(128), postalCode: line(16), city: line(128), country: z.string('expected a country').regex(/^[A-Z]{2}$/, 'expected a country of ISO 3166-1, such as DE').nullable() };

/** Each as it is taken where it is named. */
const factFields = {
  serial: serialField,
  manufacturer: line(64),
  model: line(64),
  customerClass: customerClassField,
  region: regionField,
  address: z.strictObject(addressFields).partial(),
  location,
  phases: z.literal([1, 2, 3], 'expected 1, 2 or 3').nullable(),
  ratedPowerKw: z.number('expected kW').positive('expected kW above 0').max(1e6, 'expected 1000000 kW at most').nullable(),
  cadenceSeconds: z.int(FAULT_CADENCE).min(1, FAULT_CADENCE).max(CADENCE_S_MAX, FAULT_CADENCE).nullable(),
  installedOn: dayField,
  removedOn: dayField,
  note: line(500),
};

/** The whole of it: what is not named is not known. */
export const meterFactsSchema = z.strictObject({
  ...factFields,
  serial: serialField.default(null),
  manufacturer: factFields.manufacturer.default(null),
  model: factFields.model.default(null),
  customerClass: customerClassField.default(DEFAULT_CUSTOMER_CLASS),
  address: z.strictObject(Object.fromEntries(ADDRESS_PARTS.map((part) => [part, addressFields[part].default(null)])) as { [Part in keyof typeof addressFields]: z.ZodDefault<(typeof addressFields)[Part]> }).default({ street: null, postalCode: null, city: null, country: null }),
  location: location.default(null),
  phases: factFields.phases.default(null),
  ratedPowerKw: factFields.ratedPowerKw.default(null),
  cadenceSeconds: factFields.cadenceSeconds.default(null),
  installedOn: dayField.default(null),
  removedOn: dayField.default(null),
  note: factFields.note.default(null),
}) satisfies z.ZodType<MeterFacts>;

/** What is named of it. */
export const meterChangeSchema = z.strictObject(factFields).partial();
/** The same of one of many. */
export const importRowSchema = z.strictObject({ meterId: registeredIdField, ...meterChangeSchema.shape });

const textOrNull = z.string().nullable();
const numberOrNull = z.number().nullable();

export const registeredMeterSchema = z
  .strictObject({
    meterId: idText,
    serial: textOrNull,
    manufacturer: textOrNull,
    model: textOrNull,
    customerClass: z.string(),
    region: idText,
    address: z.strictObject({ street: textOrNull, postalCode: textOrNull, city: textOrNull, country: textOrNull }),
    location: z.strictObject({ latitude: z.number(), longitude: z.number() }).nullable(),
    phases: numberOrNull,
    ratedPowerKw: numberOrNull,
    cadenceSeconds: numberOrNull.describe('How often it should send.'),
    installedOn: textOrNull.describe('A day, as 2026-07-01.'),
    removedOn: textOrNull.describe('The first day on which it is not there any more.'),
    note: textOrNull,
    status: z.enum(METER_STATUSES).describe('Today, in UTC.'),
    version: z.int(),
    updatedAt: timeText,
    updatedBy: z.string(),
  })
  .meta({ id: 'RegisteredMeter' });

/** `day`: today. */
export function registeredMeterShape(meter: RegisteredMeter, day: string): z.output<typeof registeredMeterSchema> {
  const { version, updatedAt, updatedBy, ...facts } = meter;
  return { ...facts, status: statusOn(meter, day), version, updatedAt: new Date(updatedAt).toISOString(), updatedBy };
}

/** What a consumer's list says of their meter. */
export const ownRegistrySchema = z.strictObject({ serial: textOrNull, customerClass: z.string(), address: registeredMeterSchema.shape.address, installedOn: textOrNull }).nullable().describe('Null while the registry has no entry of it.');

export function ownRegistryShape(meter: RegisteredMeter | null): z.output<typeof ownRegistrySchema> {
  return meter === null ? null : { serial: meter.serial, customerClass: meter.customerClass, address: meter.address, installedOn: meter.installedOn };
}
