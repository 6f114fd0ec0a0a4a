import type { Bill, BillDifference, InvoiceLine } from '../../model/billing.ts';

/** What is different between two bills of the same time, for people. `after` null: there is no bill any more. */
export function billDifferences(before: Bill, after: Bill | null): BillDifference[] {
  const differences: BillDifference[] = [];
  const add = (text: string, was: string | null, is: string | null): void => {
    if (was !== is) differences.push({ text, before: was, after: is });
  };
  add('Days', daysText(before), after === null ? null : daysText(after));
  const left = new Map<string, InvoiceLine>((after?.lines ?? []).map((line) => [placeOf(line), line]));
  for (const line of before.lines) {
    const now = left.get(placeOf(line));
    left.delete(placeOf(line));
    add(line.text, lineText(line), now === undefined ? null : lineText(now));
  }
  for (const line of left.values()) add(line.text, null, lineText(line));
  add('Quarter-hours without data', String(before.quality.missing), after === null ? null : String(after.quality.missing));
  add('Quarter-hours that are estimated', String(before.quality.estimated), after === null ? null : String(after.quality.estimated));
  add('Energy from the grid', `${before.importKwh} kWh`, after === null ? null : `${after.importKwh} kWh`);
  add('Energy to the grid', `${before.exportKwh} kWh`, after === null ? null : `${after.exportKwh} kWh`);
  for (const period of new Set([...Object.keys(before.creditKwh), ...Object.keys(after?.creditKwh ?? {})])) {
    add(`Credit for the next bill, ${period}`, creditText(before.creditKwh[period]), after === null ? null : creditText(after.creditKwh[period]));
  }
  add('Total', `${before.total} ${before.currency}`, after === null ? null : `${after.total} ${after.currency}`);
  return differences;
}

/** Which line of one bill is meant by one of another. */
function placeOf({ kind, charge, period, tier, tariffId, tariffVersion, from }: InvoiceLine): string {
  return JSON.stringify([kind, charge, period, tier, tariffId, tariffVersion, from]);
}

function lineText({ quantity, unit, unitPrice, amount }: InvoiceLine): string {
  return unit === 'once' ? amount : `${quantity} ${unit} × ${unitPrice} = ${amount}`;
}

function creditText(kwh: string | undefined): string {
  return `${kwh ?? '0'} kWh`;
}

function daysText({ from, to }: Bill): string {
  return `${from} to ${to}`;
}
