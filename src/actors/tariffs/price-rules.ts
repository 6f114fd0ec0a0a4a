import { z } from 'zod';
import { AMOUNT_DIGITS, decimalText, parseDecimal, PRICE_DIGITS, ROUNDING_MODES, roundTo, type Amount } from '../../model/decimal.ts';
import { patternMatcher } from '../alerts/selectors.ts';
import type { TariffFault } from './tariff-document.ts';

/** The document that says what a kWh costs by a region's load (JSON). Unknown keys are refused and every fault is named with its path. Prices are decimal numbers as text, for each kWh. */

/** Decimal places of a multiplier: its product with a price is exact in an Amount. */
const MULTIPLIER_DIGITS = AMOUNT_DIGITS - PRICE_DIGITS;
const STEPS_MAX = 50;
const PATTERNS_MAX = 100;
const GROUPS_MAX = 200;

const decimal = (places: number, shown: string) => z.string().regex(new RegExp(`^\\d{1,9}(\\.\\d{1,${places}})?$`), `expected a decimal number as text, such as "${shown}", of 0 or more, with 9 digits before the point and ${places} after it at most`);
const price = decimal(PRICE_DIGITS, '0.20');
const multiplier = decimal(MULTIPLIER_DIGITS, '1.25');

/** A load above this share of the region's capacity (not at it) has this multiplier. */
const step = z.strictObject({ abovePercent: z.number().min(0).max(1_000_000), multiplier });
/** Each below the one before: the first that the load is above counts. */
const steps = z
  .array(step)
  .min(1)
  .max(STEPS_MAX)
  .superRefine((list, context) => {
    for (let i = 1; i < list.length; i++) if (list[i].abovePercent >= list[i - 1].abovePercent) context.addIssue({ code: 'custom', path: [i, 'abovePercent'], message: `expected less than the step before it, ${list[i - 1].abovePercent}` });
  });

const group = z.strictObject({
  /** `*` stands for any run of characters. */
  regions: z.array(z.string().regex(/^[A-Za-z0-9._:*-]{1,64}$/, 'expected a name, where * may stand for any characters')).min(1).max(PATTERNS_MAX),
  basePrice: price,
});

export const priceRulesSchema = z.strictObject({
  format: z.literal('seg-prices/1'),
  /** ISO 4217. */
  currency: z.string().regex(/^[A-Z]{3}$/, 'expected a currency such as AUD'),
  basePrice: price,
  /** Regions with a base price of their own; of several that name a region the first counts. */
  regions: z.array(group).max(GROUPS_MAX).default([]),
  steps: steps.default([
    { abovePercent: 90, multiplier: '1.25' },
    { abovePercent: 75, multiplier: '1.10' },
    { abovePercent: 50, multiplier: '1.00' },
    { abovePercent: 25, multiplier: '0.90' },
  ]),
  /** Of a load that is above no step. */
  otherwise: multiplier.default('0.80'),
  /** Decimal places of the price, and how it is rounded to them. */
  digits: z.int().min(0).max(PRICE_DIGITS).default(2),
  mode: z.enum(ROUNDING_MODES).default('halfUp'),
  /** A price that moved by less than this is not published. */
  publishStep: price.refine((text) => parseDecimal(text, PRICE_DIGITS) > 0n, 'expected more than 0').default('0.01'),
});

export type PriceRulesDocument = z.output<typeof priceRulesSchema>;

/** In force without a file. */
export const DEFAULT_PRICE_RULES: PriceRulesDocument = priceRulesSchema.parse({ format: 'seg-prices/1', currency: 'EUR', basePrice: '0.20' });

/** Checks a document. */
export function checkPriceRules(json: unknown): { document: PriceRulesDocument; faults: null } | { document: null; faults: TariffFault[] } {
  const parsed = priceRulesSchema.safeParse(json);
  if (parsed.success) return { document: parsed.data, faults: null };
  return { document: null, faults: parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message })) };
}

/** What a load makes of a price. */
export interface RatedLoad {
  price: Amount;
  /** As the document writes it. */
  multiplier: string;
}

/** A document's rules, ready to be applied. */
export class PriceRules {
  readonly currency: string;
  private readonly document: PriceRulesDocument;
  private readonly groups: { matches(region: string): boolean; basePrice: bigint }[];
  private readonly basePrice: bigint;
  private readonly publishStep: Amount;
  private readonly roundingStep: Amount;

  constructor(document: PriceRulesDocument) {
    this.document = document;
    this.currency = document.currency;
    this.basePrice = parseDecimal(document.basePrice, PRICE_DIGITS);
    this.groups = document.regions.map(({ regions, basePrice }) => ({ matches: patternMatcher(regions), basePrice: parseDecimal(basePrice, PRICE_DIGITS) }));
    this.publishStep = parseDecimal(document.publishStep, AMOUNT_DIGITS);
    this.roundingStep = 10n ** BigInt(AMOUNT_DIGITS - document.digits);
  }

  /** `loadPercent` null: it is not known, and the price is the base. */
  rate(region: string, loadPercent: number | null): RatedLoad {
    const multiplier = loadPercent === null ? '1' : (this.document.steps.find(({ abovePercent }) => loadPercent > abovePercent)?.multiplier ?? this.document.otherwise);
    const base = this.groups.find(({ matches }) => matches(region))?.basePrice ?? this.basePrice;
    const exact = base * parseDecimal(multiplier, MULTIPLIER_DIGITS);
    return { price: roundTo(exact, this.roundingStep, this.document.mode), multiplier };
  }

  /** Whether the difference is worth a publication. */
  differs(a: Amount, b: Amount): boolean {
    return (a > b ? a - b : b - a) >= this.publishStep;
  }

  /** With the places that prices have here, and more where it has more. */
  text(price: Amount): string {
    return decimalText(price, AMOUNT_DIGITS, this.document.digits);
  }
}
