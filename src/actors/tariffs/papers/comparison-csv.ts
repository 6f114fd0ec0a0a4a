import { csvCell } from '../../../model/csv-cell.ts';
import type { ComparedCustomer, TariffComparison } from '../comparison.ts';

/** A comparison as a table: a row for each customer, a column for each tariff. */

type Compared = Pick<TariffComparison, 'tariffs' | 'currency'>;

export function comparisonCsvHead({ tariffs }: Pick<TariffComparison, 'tariffs'>): string {
  return line(['meterId', 'agreementId', 'from', 'to', 'currency', 'present', ...tariffs.map((tariff) => tariffName(tariff, tariffs)), 'best', 'saving']);
}

export function comparisonCsvRow({ tariffs, currency }: Compared, { meterId, agreementId, from, to, present, costs, best, saving }: ComparedCustomer): string {
  return line([meterId, agreementId ?? '', from, to, currency, present ?? '', ...costs, tariffName(tariffs[best], tariffs), saving ?? '']);
}

/** With its version where that tells it from another. */
export function tariffName({ tariffId, version }: TariffComparison['tariffs'][number], all: TariffComparison['tariffs']): string {
  return all.filter((other) => other.tariffId === tariffId).length > 1 ? `${tariffId}@${version}` : tariffId;
}

function line(cells: readonly string[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}
