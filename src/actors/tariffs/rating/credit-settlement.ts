import type { Amount } from '../../../model/decimal.ts';
import type { ChargeOf, TariffDocument } from '../tariff-document.ts';
import { amountText, LineRounding, sumOf, type RatedLine } from './rated-line.ts';

/** What a bill makes of money that the customer is owed. */

/** A customer's account. Both parts are 0 or more. */
export interface MoneyAccount {
  /** Bills may be paid with it. */
  spendable: Amount;
  /** Counts from the next bill on. */
  waiting: Amount;
}

export interface SettledCredit {
  lines: RatedLine[];
  /** For the next bill, 0 or more. */
  carried: Amount;
}

/** What ends with a stretch or a bill: the tariff's year, or the agreement. */
export type CreditEnd = 'year' | 'agreement' | null;

const FROM_BEFORE = 'Credit of earlier bills';
const KEPT = 'Credit kept for later bills';
const LAPSED = 'Credit lapsed at the end of the year';
/** Of a bill that pays it out further down: it pays for no charges of this bill. */
const NOT_USED = 'Credit that is paid out below';
const PAID_OUT = 'Credit paid out';

type ChargeKind = ChargeOf<'energy' | 'adder' | 'fixed' | 'demand'>['kind'];
const PAID_KINDS: Readonly<Record<'energy' | 'charges', readonly ChargeKind[]>> = { energy: ['energy', 'adder'], charges: ['energy', 'adder', 'fixed', 'demand'] };

/**
 * Of a tariff whose credits pay for some charges only. `lines` are the stretch's charges and exports: what was earned goes to the account, and the account pays for those charges, no more, so that what comes
 * after is of what is left of them.
 */
export function payCharges({ metering, rounding: rule }: TariffDocument, lines: readonly RatedLine[], account: MoneyAccount, ends: CreditEnd): RatedLine[] {
  const { creditPays } = metering;
  if (creditPays === 'bill') return [];
  const paidKinds: readonly string[] = PAID_KINDS[creditPays];
  const earned = -sumOf(lines.filter(({ kind }) => kind === 'export'));
  const later = metering.creditFrom === 'nextBill' && earned > 0n ? earned : 0n;
  const toPay = sumOf(lines.filter(({ kind }) => paidKinds.includes(kind))) - earned + later;
  const used = least(account.spendable, positive(toPay));
  const surplus = positive(used - toPay);
  account.spendable += surplus - used;
  account.waiting += later;
  if (paysOut(metering, ends)) return creditLines(rule, [[FROM_BEFORE, -used], [NOT_USED, surplus + later]]);
  if (!lapses(metering, ends)) return creditLines(rule, [[FROM_BEFORE, -used], [KEPT, surplus + later]]);
  const lost = account.spendable - surplus;
  account.spendable = account.waiting = 0n;
  return [...creditLines(rule, [[FROM_BEFORE, -used], [LAPSED, surplus + later]]), ...lostLines(rule, lost)];
}

/** What earlier bills left, and no line takes from the bill. */
function lostLines(rule: TariffDocument['rounding'], lost: Amount): RatedLine[] {
  if (lost === 0n) return [];
  return [new LineRounding(rule).once('carriedOver', FROM_BEFORE, `${LAPSED}, of earlier bills: ${amountText(lost, rule.digits)}`, 0n)];
}

/** The last line of such a stretch, where what is in the account is not kept. */
export function payOut({ metering, rounding: rule }: TariffDocument, account: MoneyAccount, ends: CreditEnd): RatedLine[] {
  if (metering.creditPays === 'bill' || !paysOut(metering, ends)) return [];
  const left = account.spendable + account.waiting;
  account.spendable = account.waiting = 0n;
  return creditLines(rule, [[PAID_OUT, -left]]);
}

/**
 * Of a bill as a whole: `sum` is what the lines of all stretches come to, `earned` is what those of them exported whose credits pay for the whole bill. A tariff that carries over makes no bill below zero: what is too much is
 * kept. At the end of the tariff's year or of the agreement (`ends`) everything is paid, and the bill may be below zero; or, if the tariff says so, what a year leaves lapses.
 */
export function settleCredit({ metering, rounding: rule }: TariffDocument, sum: Amount, earned: Amount, account: MoneyAccount, ends: CreditEnd): SettledCredit {
  const paysBill = metering.creditPays === 'bill';
  const pays = ends === 'agreement' || (ends === 'year' && metering.yearEndCredit === 'paid');
  const owed = account.spendable + account.waiting;
  const held = paysBill && metering.carryOver && metering.creditFrom === 'nextBill' && !pays && earned > 0n ? earned : 0n;
  const toPay = sum + held;
  const used = !paysBill ? 0n : pays ? owed : least(account.spendable, positive(toPay));
  const surplus = metering.carryOver && !pays ? positive(used - toPay) : 0n;
  const isLost = lapses(metering, ends);
  return { lines: creditLines(rule, [[FROM_BEFORE, -used], [isLost ? LAPSED : KEPT, surplus + held]]), carried: isLost ? 0n : owed - used + surplus + held };
}

function paysOut({ carryOver, yearEndCredit }: TariffDocument['metering'], ends: CreditEnd): boolean {
  return !carryOver || ends === 'agreement' || (ends === 'year' && yearEndCredit === 'paid');
}

function lapses({ yearEndCredit }: TariffDocument['metering'], ends: CreditEnd): boolean {
  return ends === 'year' && yearEndCredit === 'lapses';
}

function creditLines(rule: TariffDocument['rounding'], entries: readonly (readonly [string, Amount])[]): RatedLine[] {
  const rounding = new LineRounding(rule);
  return entries.flatMap(([text, amount]) => (amount === 0n ? [] : [rounding.once('carriedOver', text, text, amount)]));
}

function positive(amount: Amount): Amount {
  return amount > 0n ? amount : 0n;
}

function least(a: Amount, b: Amount): Amount {
  return a < b ? a : b;
}
