import { AMOUNT_DIGITS, decimalText, type Amount } from '../../model/decimal.ts';
import type { Days } from './billed-days.ts';
import { FAILURE_REASONS_MAX, type ComparedCustomer, type TariffComparison } from './comparison.ts';
import { amountOf } from './money.ts';

/** What a comparison comes to, piece by piece. Sums are exact, so their order is of no matter. */

/** Costs of a customer under each tariff of the comparison, and under what counts for them; null: nothing does, or in another currency. */
export interface CustomerCosts extends Days {
  meterId: string;
  agreementId: string | null;
  costs: readonly Amount[];
  present: Amount | null;
}

/** Why some could not be rated. */
export interface ComparisonFailure {
  code: string;
  count: number;
  /** Of the first; null: none is named. */
  meterId: string | null;
  message: string;
}

/** `places`: decimal places at least, as the tariffs round to. */
export function comparedCustomer({ costs, present, ...customer }: CustomerCosts, places: number): ComparedCustomer {
  const text = (amount: Amount): string => decimalText(amount, AMOUNT_DIGITS, places);
  const best = cheapest(costs);
  return { ...customer, present: present === null ? null : text(present), costs: costs.map(text), best, saving: present === null ? null : text(present - costs[best]) };
}

/** The comparison with these customers and failures in it. */
export function withCustomers<Comparison extends TariffComparison>(comparison: Comparison, customers: readonly CustomerCosts[], failures: readonly ComparisonFailure[], places: number): Comparison {
  const totals = comparison.tariffs.map(({ total }) => amountOf(total));
  const bestFor = comparison.tariffs.map((tariff) => tariff.bestFor);
  const present = { customers: comparison.present.customers, total: amountOf(comparison.present.total) };
  const saving = { customers: comparison.saving.customers, total: amountOf(comparison.saving.total) };
  for (const { costs, present: now } of customers) {
    const best = cheapest(costs);
    for (let i = 0; i < costs.length; i++) totals[i] += costs[i];
    bestFor[best]++;
    if (now === null) continue;
    present.customers++;
    present.total += now;
    if (now <= costs[best]) continue;
    saving.customers++;
    saving.total += now - costs[best];
  }
  const text = (amount: Amount): string => decimalText(amount, AMOUNT_DIGITS, places);
  return {
    ...comparison,
    rated: comparison.rated + customers.length,
    failed: failures.reduce((sum, { count }) => sum + count, comparison.failed),
    failures: withFailures(comparison.failures, failures),
    tariffs: comparison.tariffs.map((tariff, i) => ({ ...tariff, total: text(totals[i]), bestFor: bestFor[i] })),
    present: { customers: present.customers, total: text(present.total) },
    saving: { customers: saving.customers, total: text(saving.total) },
  };
}

/** Index of the first of the cheapest. */
function cheapest(costs: readonly Amount[]): number {
  let best = 0;
  for (let i = 1; i < costs.length; i++) if (costs[i] < costs[best]) best = i;
  return best;
}

function withFailures(known: readonly ComparisonFailure[], failures: readonly ComparisonFailure[]): ComparisonFailure[] {
  const byCode = new Map(known.map((failure) => [failure.code, failure]));
  for (const failure of failures) {
    const before = byCode.get(failure.code);
    if (before !== undefined) byCode.set(failure.code, { ...before, count: before.count + failure.count });
    else if (byCode.size < FAILURE_REASONS_MAX) byCode.set(failure.code, failure);
  }
  return [...byCode.values()];
}
