import type { Amount } from '../../../model/decimal.ts';
import type { TariffDocument } from '../tariff-document.ts';
import { LineRounding, sumOf, type RatedLine } from './rated-line.ts';

/** What a bill makes of money that the customer is owed. */
export interface SettledCredit {
  lines: RatedLine[];
  /** For the next bill, 0 or more. */
  carried: Amount;
}

const FROM_BEFORE = 'Credit of earlier bills';
const KEPT = 'Credit kept for later bills';
const LAPSED = 'Credit lapsed at the end of the year';

/**
 * `lines` are those of all stretches, `credit` what earlier bills left. A tariff that carries over makes no bill below zero: what is too much is kept. At the end of the tariff's year or of the agreement
 * (`ends`) everything is paid, and the bill may be below zero; or, if the tariff says so, what a year leaves lapses.
 */
export function settleCredit({ metering, rounding: rule }: TariffDocument, lines: readonly RatedLine[], credit: Amount, ends: 'year' | 'agreement' | null): SettledCredit {
  const rounding = new LineRounding(rule);
  const pays = ends === 'agreement' || (ends === 'year' && metering.yearEndCredit === 'paid');
  const lapses = ends === 'year' && metering.yearEndCredit === 'lapses';
  const settled: RatedLine[] = [];
  const add = (text: string, amount: Amount): void => {
    if (amount !== 0n) settled.push(rounding.once('carriedOver', text, text, amount));
  };

  const earned = -sumOf(lines.filter(({ kind }) => kind === 'export'));
  const held = metering.carryOver && metering.creditFrom === 'nextBill' && !pays && earned > 0n ? earned : 0n;
  const toPay = sumOf(lines) + held;
  const used = pays ? credit : least(credit, toPay > 0n ? toPay : 0n);
  add(FROM_BEFORE, -used);
  const left = toPay - used;
  const surplus = metering.carryOver && !pays && left < 0n ? -left : 0n;
  add(lapses ? LAPSED : KEPT, surplus + held);
  return { lines: settled, carried: lapses ? 0n : credit - used + surplus + held };
}

function least(a: Amount, b: Amount): Amount {
  return a < b ? a : b;
}
