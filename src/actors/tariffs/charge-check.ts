import { parseDecimal } from '../../model/decimal.ts';
import { unknownName } from './calendar-check.ts';
import type { Charge, ChargeOf, TariffDocument, TariffFault } from './tariff-document.ts';

/** What is wrong with a tariff's charges: names that are none, periods with no price or two, tiers that do not rise, shares of what is worked out later. */

/** Decimal places of the end of a tier. */
const TIER_DIGITS = 6;
/** Worked out after all others, in the order of the document, each of what is before it. */
const LATER_KINDS: readonly Charge['kind'][] = ['surcharge', 'rebate', 'minimum'];

export function chargeFaults(document: TariffDocument): TariffFault[] {
  const { charges } = document;
  return charges.flatMap((charge, index) => {
    const path = `charges.${index}`;
    const twice = charges.findIndex(({ name }) => name === charge.name) < index ? [{ path: `${path}.name`, message: `there is another charge "${charge.name}"` }] : [];
    return [...twice, ...ownFaults(document, charge, index, path)];
  });
}

function ownFaults(document: TariffDocument, charge: Charge, index: number, path: string): TariffFault[] {
  switch (charge.kind) {
    case 'energy':
      return [...periodFaults(document, charge.schedule, charge.rates, path), ...energyTierFaults(document, charge, path)];
    case 'export':
      return [...methodFaults(document, path), ...periodFaults(document, charge.schedule, charge.rates, path), ...energyTierFaults(document, charge, path)];
    case 'demand':
      return demandFaults(document, charge, path);
    case 'surcharge':
    case 'tax':
      return nameFaults(document, index, charge.of, `${path}.of`);
    case 'minimum':
      return [...coverFaults(document, charge, path), ...nameFaults(document, index, charge.covers, `${path}.covers`)];
    case 'fixed':
    case 'adder':
    case 'rebate':
      return [];
  }
}

function methodFaults({ metering: { method } }: TariffDocument, path: string): TariffFault[] {
  return method === 'netMetering' ? [{ path, message: 'under "netMetering" what is given is taken off what is used and never paid for: "metering.yearEndPrice" is what the rest is worth' }] : [];
}

/** A credit is used for charges as a whole: how much of it is for one of them nobody can say. */
function coverFaults({ metering: { creditPays } }: TariffDocument, { covers }: ChargeOf<'minimum'>, path: string): TariffFault[] {
  if (creditPays === 'bill' || covers.length === 0) return [];
  return [{ path: `${path}.covers`, message: `where credits pay for "${creditPays}" a minimum is of what they leave of all charges: expected none` }];
}

/** Each period of the schedule has prices once. */
function periodFaults({ schedules }: TariffDocument, name: string, rates: readonly { period: string }[], path: string): TariffFault[] {
  const schedule = schedules.find((candidate) => candidate.name === name);
  if (schedule === undefined) {
    const known = schedules.map((candidate) => candidate.name);
    return [{ path: `${path}.schedule`, message: unknownName('schedule', name, known) }];
  }
  const periods = schedule.periods.map((period) => period.name);
  const faults = rates.flatMap(({ period }, index) => {
    if (!periods.includes(period)) return [{ path: `${path}.rates.${index}.period`, message: unknownName('period', period, periods) }];
    return rates.findIndex((rate) => rate.period === period) < index ? [{ path: `${path}.rates.${index}.period`, message: `period "${period}" has its prices already` }] : [];
  });
  const without = periods.filter((period) => !rates.some((rate) => rate.period === period));
  return [...faults, ...without.map((period) => ({ path: `${path}.rates`, message: `there is no price for period "${period}" of schedule "${name}"` }))];
}

function energyTierFaults(document: TariffDocument, charge: ChargeOf<'energy' | 'export'>, path: string): TariffFault[] {
  const faults = charge.rates.flatMap(({ tiers }, index) => {
    const perDay = new Set(tiers.flatMap(({ upTo }) => (upTo === null ? [] : [upTo.unit.endsWith('/day')])));
    const tierPath = `${path}.rates.${index}.tiers`;
    const ends = tiers.map(({ upTo }) => (upTo === null ? null : { end: upTo.value, unit: upTo.unit }));
    return [...endFaults(ends, tierPath, 'upTo'), ...(perDay.size > 1 ? [{ path: tierPath, message: 'the ends of all tiers of a period have one unit, or one by the kW and one without' }] : [])];
  });
  if (charge.tierScope === 'total') faults.push(...sharedEndFaults(document, charge, path));
  return faults;
}

/** Periods of a season share their tiers; those of another, as of a winter's baseline, may have others. */
function sharedEndFaults({ seasons, schedules }: TariffDocument, charge: ChargeOf<'energy' | 'export'>, path: string): TariffFault[] {
  const rules = schedules.find(({ name }) => name === charge.schedule)?.rules ?? [];
  const ends = charge.rates.map(({ tiers }) => JSON.stringify(tiers.map(({ upTo }) => (upTo === null ? null : [parseDecimal(upTo.value, TIER_DIGITS).toString(), upTo.unit]))));
  const faults = new Map<number, TariffFault>();
  for (const season of seasons.length === 0 ? [null] : seasons.map(({ name }) => name)) {
    const periods = new Set(rules.filter((rule) => season === null || rule.seasons.length === 0 || rule.seasons.includes(season)).flatMap(({ spans }) => spans.map(({ period }) => period)));
    const present = charge.rates.flatMap(({ period }, index) => (periods.has(period) ? [index] : []));
    const other = present.find((index) => ends[index] !== ends[present[0]]);
    if (other === undefined) continue;
    const first = charge.rates[present[0]].period;
    faults.set(other, { path: `${path}.rates.${other}.tiers`, message: `where tiers count the use of all periods, those of a season have the same ends; those of "${first}" are others` });
  }
  return [...faults.values()];
}

interface TierEnd {
  end: string;
  unit: string;
}

/** Ends rise from above 0, those of a unit each, and only the last is open. */
function endFaults(ends: readonly (TierEnd | null)[], path: string, field: string): TariffFault[] {
  const before = new Map<string, bigint>();
  return ends.flatMap((tierEnd, index): TariffFault[] => {
    const isLast = index === ends.length - 1;
    const at = `${path}.${index}.${field}`;
    if (tierEnd === null) return isLast ? [] : [{ path: at, message: 'is missing: only the last tier has no end' }];
    if (isLast) return [{ path: at, message: 'expected null: what is above the last tier would have no price' }];
    const value = parseDecimal(tierEnd.end, TIER_DIGITS);
    const isHigher = value > (before.get(tierEnd.unit) ?? 0n);
    before.set(tierEnd.unit, value);
    return isHigher ? [] : [{ path: at, message: index === 0 ? 'expected more than 0' : 'expected more than the end of the tier before' }];
  });
}

function demandFaults(document: TariffDocument, charge: ChargeOf<'demand'>, path: string): TariffFault[] {
  const faults = charge.rates.flatMap(({ tiers }, index) =>
    endFaults(
      tiers.map(({ upToKw }) => (upToKw === null ? null : { end: upToKw, unit: 'kW' })),
      `${path}.rates.${index}.tiers`,
      'upToKw',
    ),
  );
  if (charge.measure === 'periods') {
    if (charge.schedule === undefined) return [...faults, { path: `${path}.schedule`, message: 'is missing: "periods" are those of a schedule' }];
    return [...faults, ...periodFaults(document, charge.schedule, charge.rates, path)];
  }
  if (charge.schedule !== undefined) faults.push({ path: `${path}.schedule`, message: `is for measure "periods" alone, and this is "${charge.measure}"` });
  if (charge.rates.length !== 1 || charge.rates[0].period !== '*') faults.push({ path: `${path}.rates`, message: 'expected one entry, with the period "*"' });
  return faults;
}

/** What is a share of others names charges that are worked out before it: no taxes, and of surcharges, rebates and minimums those that stand before. */
function nameFaults({ charges }: TariffDocument, index: number, names: readonly string[], path: string): TariffFault[] {
  const self = charges[index];
  return names.flatMap((name, position): TariffFault[] => {
    const other = charges.findIndex((charge) => charge.name === name);
    const at = `${path}.${position}`;
    if (other < 0) {
      const known = charges.map((charge) => charge.name);
      return [{ path: at, message: unknownName('charge', name, known) }];
    }
    if (other === index) return [{ path: at, message: 'is this charge itself' }];
    if (charges[other].kind === 'tax') return [{ path: at, message: `"${name}" is a tax, and these come last` }];
    if (self.kind !== 'tax' && other > index && LATER_KINDS.includes(charges[other].kind)) return [{ path: at, message: `"${name}" comes after it: a ${charges[other].kind} has to stand before what is made of it` }];
    return [];
  });
}
