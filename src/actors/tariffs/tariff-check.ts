import type { z } from 'zod';
import { AMOUNT_DIGITS, AMOUNT_ONE, parseDecimal } from '../../model/decimal.ts';
import { calendarFaults } from './calendar-check.ts';
import { chargeFaults } from './charge-check.ts';
import { chargeSchema, tariffSchema, type TariffDocument, type TariffFault } from './tariff-document.ts';

/** Whether a document is a tariff by which every minute has one price, and a bill can be made. */

/** Most faults that are listed; the first ones are what somebody mends. */
export const TARIFF_FAULTS_MAX = 100;

export type CheckedTariff = { document: TariffDocument; faults: readonly [] } | { document: null; faults: TariffFault[] };

/** Faults of form come by themselves: what the fields say together is looked at when each is one. */
export function checkTariff(json: unknown): CheckedTariff {
  const parsed = tariffSchema.safeParse(json);
  const faults = parsed.success ? faultsOf(parsed.data) : parsed.error.issues.flatMap((issue) => faultsOfIssue(issue, []));
  if (parsed.success && faults.length === 0) return { document: parsed.data, faults: [] };
  return { document: null, faults: faults.slice(0, TARIFF_FAULTS_MAX) };
}

function faultsOf(document: TariffDocument): TariffFault[] {
  return [...timeFaults(document), ...moneyFaults(document), ...calendarFaults(document), ...chargeFaults(document), ...meteringFaults(document)];
}

function timeFaults({ effectiveFrom, effectiveTo }: TariffDocument): TariffFault[] {
  return effectiveTo !== null && effectiveTo <= effectiveFrom ? [{ path: 'effectiveTo', message: `has to be after "effectiveFrom", ${effectiveFrom}` }] : [];
}

function moneyFaults({ currency, rounding: { digits, totalStep } }: TariffDocument): TariffFault[] {
  if (!Intl.supportedValuesOf('currency').includes(currency)) return [{ path: 'currency', message: `there is no currency ${currency}` }];
  const places = new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;
  const unit = AMOUNT_ONE / 10n ** BigInt(places);
  if (totalStep === null) return digits <= places ? [] : [{ path: 'rounding.digits', message: `${currency} has ${places} decimal places: expected that many at most, or a "totalStep" that can be paid` }];
  const step = parseDecimal(totalStep, AMOUNT_DIGITS);
  return step > 0n && step % unit === 0n ? [] : [{ path: 'rounding.totalStep', message: `expected a multiple of the smallest amount of ${currency}, above 0` }];
}

/** Only where what is given is taken off in kWh are there credits in kWh. */
function meteringFaults({ metering: { method, creditPeriods, yearEndEnergy } }: TariffDocument): TariffFault[] {
  if (method === 'netMetering') return [];
  const message = `is of credits in kWh, and under "${method}" there are none`;
  return [...(creditPeriods === 'apart' ? [] : [{ path: 'metering.creditPeriods', message }]), ...(yearEndEnergy === 'credits' ? [] : [{ path: 'metering.yearEndEnergy', message }])];
}

type Issue = z.core.$ZodIssue;

function faultsOfIssue(issue: Issue, before: readonly PropertyKey[]): TariffFault[] {
  const path = [...before, ...issue.path];
  const at = path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => ({ path: [...path, key].map(String).join('.'), message: 'there is no such field' }));
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // Of the shapes that it could have, the one it is nearest to.
    const nearest = issue.errors.reduce((best, errors) => (errors.length < best.length ? errors : best));
    return nearest.flatMap((inner) => faultsOfIssue(inner, path));
  }
  if (issue.code === 'invalid_union') return [{ path: at, message: `expected one of ${KINDS.join(', ')}` }];
  return [{ path: at, message: plainWords(issue.message) }];
}

/** The only union of the schema that is told apart by a field. */
const KINDS: readonly string[] = chargeSchema.options.map(({ shape }) => shape.kind.value);

/** Zod's `Invalid input: expected string, received number` without its beginning. */
function plainWords(message: string): string {
  return message.replace(/^Invalid (input|option): /, '').replace(/^expected (\w+), received undefined$/, 'is missing (expected $1)');
}
