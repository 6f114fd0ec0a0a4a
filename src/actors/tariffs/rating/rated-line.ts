import type { InvoiceLine } from '../../../model/billing.ts';
import { AMOUNT_DIGITS, decimalText, PRICE_DIGITS, roundTo, type Amount } from '../../../model/decimal.ts';
import type { TariffDocument } from '../tariff-document.ts';

/** Decimal places of a quantity: energy and power in millionths, days and shares of months too. */
export const QUANTITY_DIGITS = 6;
export const QUANTITY_ONE = 10n ** BigInt(QUANTITY_DIGITS);
const PERCENT = 100n;
/** From an amount to a quantity of it, for lines that are a share of others: those are rounded to QUANTITY_DIGITS places or fewer. */
const AMOUNT_PER_QUANTITY = 10n ** BigInt(AMOUNT_DIGITS - QUANTITY_DIGITS);

/** A line of a bill as it is worked out. */
export interface RatedLine {
  kind: InvoiceLine['kind'];
  charge: string;
  text: string;
  period: string | null;
  tier: number | null;
  /** Whole number of QUANTITY_DIGITS places. */
  quantity: bigint;
  unit: InvoiceLine['unit'];
  /** Whole number of PRICE_DIGITS places. */
  unitPrice: bigint;
  /** `quantity` × `unitPrice`, rounded. */
  amount: Amount;
}

/** By decimal places that lines are rounded to: raising to a power takes as long as a line. */
const STEPS = Array.from({ length: AMOUNT_DIGITS + 1 }, (_, digits) => 10n ** BigInt(AMOUNT_DIGITS - digits));

type LineOf = Omit<RatedLine, 'amount' | 'period' | 'tier'> & Partial<Pick<RatedLine, 'period' | 'tier'>>;

/** Rounds each line as the tariff says. */
export class LineRounding {
  readonly #step: Amount;
  readonly #mode: TariffDocument['rounding']['mode'];

  constructor({ digits, mode }: Pick<TariffDocument['rounding'], 'digits' | 'mode'>) {
    this.#step = STEPS[digits];
    this.#mode = mode;
  }

  line(line: LineOf): RatedLine {
    const exact = line.quantity * line.unitPrice;
    // The product of a quantity and a percentage has places to spare: the division is exact.
    const amount = roundTo(line.unit === '%' ? exact / PERCENT : exact, this.#step, this.#mode);
    return { ...line, period: line.period ?? null, tier: line.tier ?? null, amount };
  }

  /** A line that is an amount as it stands, one that has been rounded. */
  once(kind: RatedLine['kind'], charge: string, text: string, amount: Amount): RatedLine {
    return { kind, charge, text, period: null, tier: null, quantity: QUANTITY_ONE, unit: 'once', unitPrice: priceOfAmount(amount), amount };
  }

  round(amount: Amount): Amount {
    return roundTo(amount, this.#step, this.#mode);
  }
}

export function sumOf(lines: readonly RatedLine[]): Amount {
  return lines.reduce((sum, { amount }) => sum + amount, 0n);
}

/** An amount as the quantity that a percentage is of. */
export function quantityOfAmount(amount: Amount): bigint {
  return amount / AMOUNT_PER_QUANTITY;
}

function priceOfAmount(amount: Amount): bigint {
  return amount / 10n ** BigInt(AMOUNT_DIGITS - PRICE_DIGITS);
}

export function amountText(amount: Amount, digits: number): string {
  return decimalText(amount, AMOUNT_DIGITS, digits);
}

export function quantityText(quantity: bigint): string {
  return decimalText(quantity, QUANTITY_DIGITS);
}

/** At least as many places as money has, so that prices look like prices. */
export function priceText(price: bigint, digits: number): string {
  return decimalText(price, PRICE_DIGITS, digits);
}
