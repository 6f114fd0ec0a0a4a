import { OperationalError } from '../../runtime/errors.ts';
import { checkOneBill } from './bill-maker.ts';
import { cutAtMonths, isMonth, type Days } from './billed-days.ts';
import { COMPARED_MONTHS_MAX, COMPARED_TARIFFS_MAX, NAMED_METERS_MAX, type NewComparison } from './comparison.ts';
import { wholeDays, type StoredComparison, type VersionDays } from './comparison-book.ts';
import type { TariffsState } from './tariffs-state.ts';
import type { TariffStretch } from './tariff-book.ts';

/** A comparison as it begins: its tariffs are those that there are now. */

/** Throws what is wrong with it by itself. */
export function checkNew({ tariffs, fromMonth, toMonth, of }: NewComparison): void {
  for (const month of [fromMonth, toMonth]) if (!isMonth(month)) throw new OperationalError('bad_month', `expected a month from 1970-01 on, such as 2026-07, got ${month}`);
  if (toMonth < fromMonth) throw new OperationalError('bad_span', `${toMonth} is before ${fromMonth}`);
  const months = (Number(toMonth.slice(0, 4)) - Number(fromMonth.slice(0, 4))) * 12 + Number(toMonth.slice(5)) - Number(fromMonth.slice(5)) + 1;
  if (months > COMPARED_MONTHS_MAX) throw new OperationalError('period_too_long', `${months} months are more than the ${COMPARED_MONTHS_MAX} that one comparison may have`);
  if (tariffs.length === 0 || tariffs.length > COMPARED_TARIFFS_MAX) throw new OperationalError('bad_span', `between 1 and ${COMPARED_TARIFFS_MAX} tariffs can be compared`);
  if (of.kind === 'meters' && (of.meterIds.length === 0 || of.meterIds.length > NAMED_METERS_MAX)) throw new OperationalError('bad_span', `between 1 and ${NAMED_METERS_MAX} meters can be named`);
}

/** Throws `unknown_tariff`, `tariff_not_in_force`, `mixed_tariffs`. */
export function newComparison(state: TariffsState, { tariffs, fromMonth, toMonth, of }: NewComparison, by: string, nowMs: number): Omit<StoredComparison, 'id'> {
  const whole = wholeDays({ fromMonth, toMonth });
  const days = tariffs.map(({ id, version }) => cutAtMonths(version === null ? stretchesInForce(state, id, whole) : [{ ...whole, tariff: state.tariffs.find(id, version) }]));
  for (const stretches of days) checkOneBill(stretches);
  const currencies = new Set(days.flat().map(({ tariff }) => tariff.document.currency));
  if (currencies.size > 1) throw new OperationalError('mixed_tariffs', `tariffs in ${[...currencies].join(' and ')} cannot be compared`);
  const agreements = state.agreements.made;
  return {
    ...{ state: 'running', startedAt: nowMs, startedBy: by, endedAt: null, fromMonth, toMonth, of: of.kind === 'meters' ? { ...of, meterIds: [...new Set(of.meterIds)] } : of },
    ...{ all: of.kind === 'agreements' ? agreements : of.kind === 'meters' ? new Set(of.meterIds).size : null, done: 0, rated: 0, failed: 0, failures: [] },
    currency: [...currencies][0],
    tariffs: days.map((stretches) => ({ tariffId: stretches[0].tariff.id, version: stretches[stretches.length - 1].tariff.version, total: '0', bestFor: 0 })),
    ...{ present: { customers: 0, total: '0' }, saving: { customers: 0, total: '0' } },
    versions: days.map((stretches) => stretches.map(({ from, to, tariff }): VersionDays => ({ from, to, version: tariff.version }))),
    ...{ after: null, pieces: 0, agreements, isRemoved: false },
  };
}

function stretchesInForce(state: TariffsState, id: string, { from, to }: Days): TariffStretch[] {
  try {
    return state.tariffs.stretchesOf(id, from, to);
  } catch (error) {
    if (!(error instanceof OperationalError) || error.code !== 'no_tariff') throw error;
    throw new OperationalError('tariff_not_in_force', `${error.message}; name one of its versions to have that for all days`, { cause: error });
  }
}
