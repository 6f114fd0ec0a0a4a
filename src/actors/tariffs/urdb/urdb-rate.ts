import { z } from 'zod';
import type { TariffFault } from '../tariff-document.ts';

/**
 * A rate of OpenEI's Utility Rate Database, as version 7 and 8 of its interface answer with: https://openei.org/services/doc/rest/util_rates/. Names of fields are in lower case; those of no value (null, empty
 * text) are left out. Every field that there is is one of three kinds: what a bill is made of, what is only told, and what cannot be billed by. Of the last, and of fields that are not known, none is passed over in silence.
 */

const tier = z.strictObject({ rate: z.number().default(0), adj: z.number().default(0), max: z.number().optional(), unit: z.string().optional(), sell: z.number().default(0) });
const structure = z.array(z.array(tier).min(1)).min(1);
const hours = z.array(z.array(z.int().min(0)).length(24)).length(12);
const monthly = z.array(z.number()).length(12);
/** Seconds since 1970, or a date. */
const day = z.union([z.number(), z.string()]).transform((value, context) => {
  const ms = typeof value === 'number' ? value * 1_000 : Date.parse(value);
  if (Number.isFinite(ms) && Math.abs(ms) < 8.64e15) return new Date(ms).toISOString().slice(0, 10);
  context.issues.push({ code: 'custom', message: 'expected seconds since 1970, or a date', input: value });
  return z.NEVER;
});

const billed = {
  startdate: day.optional(),
  enddate: day.optional(),
  energyratestructure: structure,
  energyweekdayschedule: hours.optional(),
  energyweekendschedule: hours.optional(),
  fueladjustmentsmonthly: monthly.optional(),
  dgrules: z.string().optional(),
  usenetmetering: z.boolean().optional(),
  demandrateunit: z.string().optional(),
  demandratestructure: structure.optional(),
  demandweekdayschedule: hours.optional(),
  demandweekendschedule: hours.optional(),
  demandwindow: z.number().optional(),
  flatdemandunit: z.string().optional(),
  flatdemandstructure: structure.optional(),
  flatdemandmonths: z.array(z.int().min(0)).length(12).optional(),
  lookbackpercent: z.number().optional(),
  lookbackrange: z.number().optional(),
  lookbackmonths: z.array(z.union([z.boolean(), z.number()]).transform(Boolean)).length(12).optional(),
  coincidentrateunit: z.string().optional(),
  coincidentratestructure: structure.optional(),
  coincidentrateschedule: hours.optional(),
  fixedchargefirstmeter: z.number().optional(),
  fixedchargeunits: z.string().optional(),
  fixedmonthlycharge: z.number().optional(),
  mincharge: z.number().optional(),
  minchargeunits: z.string().optional(),
  minmonthlycharge: z.number().optional(),
  annualmincharge: z.number().optional(),
};

/** Told, and of no account for the bill of somebody who has the rate. */
const TOLD_FIELDS: readonly string[] = [
  ...['label', 'utility', 'eiaid', 'name', 'uri', 'sector', 'servicetype', 'description', 'source', 'sourceparent', 'basicinformationcomments', 'approved', 'country', 'is_default', 'supersedes', 'revisions', 'latest_update'],
  ...['peakkwcapacitymin', 'peakkwcapacitymax', 'peakkwcapacityhistory', 'peakkwhusagemin', 'peakkwhusagemax', 'peakkwhusagehistory', 'voltageminimum', 'voltagemaximum', 'voltagecategory', 'phasewiring'],
  ...['energycomments', 'demandcomments', 'flatdemandcomments', 'energyattrs', 'demandattrs', 'fixedattrs', 'demandunits', 'energyrateunit', 'fixedchargeeaaddl'],
];

/** Cannot be billed by, where they are not zero. */
const REFUSED_FIELDS: Readonly<Record<string, string>> = {
  demandreactivepowercharge: 'reactive power is not measured',
  demandratchetpercentage: 'does not say which months it looks back at; "lookbackPercent" with "lookbackRange" or "lookbackMonths" does',
};

const rateSchema = z.object({
  ...billed,
  label: z.string().optional(),
  utility: z.string().optional(),
  name: z.string().optional(),
  description: z.string().optional(),
  source: z.string().optional(),
  servicetype: z.string().optional(),
  fixedchargeeaaddl: z.number().optional(),
});

export type UrdbRate = z.output<typeof rateSchema>;
export type UrdbStructure = z.output<typeof structure>;
export type UrdbTier = z.output<typeof tier>;
/** Of each month and hour the index of its period. */
export type UrdbHours = z.output<typeof hours>;

/** The rates of a response, or the one that the JSON is, each with its names in lower case. */
export function urdbRates(json: unknown): Record<string, unknown>[] {
  const items = isObject(json) && Array.isArray(json.items) ? json.items : Array.isArray(json) ? json : [json];
  return items.filter(isObject).map((item) =>
    Object.fromEntries(
      Object.entries(item)
        .filter(([, value]) => value !== null && value !== '')
        .map(([key, value]) => [key.toLowerCase(), value]),
    ),
  );
}

/** `ignored`: names of fields, in lower case, that are not looked at although they would be refused. */
export function readUrdbRate(item: Record<string, unknown>, ignored: readonly string[]): { rate: UrdbRate; faults: readonly [] } | { rate: null; faults: TariffFault[] } {
  const faults = Object.entries(item).flatMap(([field, value]): TariffFault[] => {
    if (field in billed || TOLD_FIELDS.includes(field) || ignored.includes(field) || isNothing(value)) return [];
    return [{ path: field, message: REFUSED_FIELDS[field] ?? 'is not known, and could matter for a bill' }];
  });
  const parsed = rateSchema.safeParse(Object.fromEntries(Object.entries(item).filter(([field]) => !ignored.includes(field))));
  if (parsed.success && faults.length === 0) return { rate: parsed.data, faults: [] };
  return { rate: null, faults: [...faults, ...(parsed.error?.issues ?? []).map(({ path, message }) => ({ path: path.map(String).join('.'), message: message.replace(/^Invalid input: /, '') }))] };
}

/** Zero, false, empty, or nothing but such. */
function isNothing(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isNothing);
  return value === 0 || value === false || value === '' || value === null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
