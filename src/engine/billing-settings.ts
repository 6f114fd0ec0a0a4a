import { readFileSync, statSync } from 'node:fs';
import { DEFAULT_ISSUER, issuerSchema, type Issuer } from '../actors/tariffs/papers/issuer.ts';
import { checkPriceRules, DEFAULT_PRICE_RULES, type PriceRulesDocument } from '../actors/tariffs/price-rules.ts';
import { duration, onOffOrAuto, optionalText } from '../runtime/config-values.ts';
import { setting } from '../runtime/config.ts';
import { OperationalError } from '../runtime/errors.ts';

/** Settings of tariffs and bills. */

export const BILLING_SETTINGS = {
  billing: setting(onOffOrAuto(), {
    default: 'auto',
    description: 'Whether this engine has tariffs and makes bills. auto: on, and off where the log is in Kafka: of the engines that share one exactly one may have it on, as it alone has the agreements and the bills.',
  }),
  billingCorrectionIntervalMs: setting(duration({ min: '1s', max: '7d' }), {
    default: '1h',
    description: 'How often bills that late readings may have changed are held against the intervals. Another bill comes with a credit note.',
  }),
  billIssuerFile: setting(optionalText('a file'), { default: null, defaultText: 'a name alone', description: 'Who sends the bills, as JSON: name, address, numbers and account as they are printed. Read at the start.' }),
  priceRulesFile: setting(optionalText('a file'), { default: null, defaultText: 'the engine\'s own', description: 'What a kWh costs by the load of its region, as JSON. Read at the start.' }),
};

export interface BillingSettings {
  log: 'lmdb' | 'kafka';
  billing: boolean | null;
}

export function isBillingOn({ billing, log }: BillingSettings): boolean {
  return billing ?? log === 'lmdb';
}

/** What is known of them before an engine starts. */
export interface BillingPlan {
  priceRules: PriceRulesDocument;
  /** Who sends the bills. */
  issuer: Issuer;
}

/** null: they are off. Throws OperationalError `invalid_config` with every fault of what the settings name. */
export function planBilling(config: BillingSettings & { priceRulesFile: string | null; billIssuerFile: string | null }): BillingPlan | null {
  return isBillingOn(config) ? { priceRules: readPriceRules(config.priceRulesFile), issuer: readIssuer(config.billIssuerFile) } : null;
}

/** The rules of the file, or the engine's own. */
function readPriceRules(path: string | null): PriceRulesDocument {
  if (path === null) return DEFAULT_PRICE_RULES;
  const { document, faults } = checkPriceRules(jsonOf(path, PRICE_RULES));
  if (faults === null) return document;
  throw unusable(path, PRICE_RULES, faults);
}

/** Who the file says, or a name alone. */
function readIssuer(path: string | null): Issuer {
  if (path === null) return DEFAULT_ISSUER;
  const parsed = issuerSchema.safeParse(jsonOf(path, ISSUER));
  if (parsed.success) return parsed.data;
  throw unusable(path, ISSUER, parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message })));
}

const PRICE_RULES = 'price rules';
const ISSUER = 'issuer of bills';
/** Two hundred groups of regions with all their patterns are 2 MB. */
const FILE_BYTES_MAX = 4 * 1024 * 1024;

function jsonOf(path: string, what: string): unknown {
  try {
    const { size } = statSync(path);
    if (size > FILE_BYTES_MAX) throw new Error(`it has ${size} bytes, ${FILE_BYTES_MAX} are allowed`);
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw unusable(path, what, [{ path: '', message: `it cannot be read: ${(error as Error).message}` }]);
  }
}

function unusable(path: string, what: string, faults: readonly { path: string; message: string }[]): OperationalError {
  const lines = faults.map((fault) => `  - ${fault.path === '' ? 'the file' : fault.path}: ${fault.message}`);
  return new OperationalError('invalid_config', `The ${what} in ${path} cannot be used:\n${lines.join('\n')}`);
}
