import { readFileSync, statSync } from 'node:fs';
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
}

/** null: they are off. Throws OperationalError `invalid_config` with every fault of what the settings name. */
export function planBilling(config: BillingSettings & { priceRulesFile: string | null }): BillingPlan | null {
  return isBillingOn(config) ? { priceRules: readPriceRules(config.priceRulesFile) } : null;
}

/** Two hundred groups of regions with all their patterns are 2 MB. */
const FILE_BYTES_MAX = 4 * 1024 * 1024;

/** The rules of the file, or the engine's own. */
function readPriceRules(path: string | null): PriceRulesDocument {
  if (path === null) return DEFAULT_PRICE_RULES;
  const { document, faults } = checkPriceRules(jsonOf(path));
  if (faults === null) return document;
  throw unusable(path, faults.map((fault) => `${fault.path === '' ? 'the document' : fault.path}: ${fault.message}`));
}

function jsonOf(path: string): unknown {
  try {
    const { size } = statSync(path);
    if (size > FILE_BYTES_MAX) throw new Error(`it has ${size} bytes, ${FILE_BYTES_MAX} are allowed`);
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw unusable(path, [`it cannot be read: ${(error as Error).message}`]);
  }
}

function unusable(path: string, faults: readonly string[]): OperationalError {
  return new OperationalError('invalid_config', `The price rules in ${path} cannot be used:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
}
