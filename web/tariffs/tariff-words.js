// @ts-check
import { formatPrice } from '../money.js';

/** What a tariff's document says, as words. */

/** @param {import('../bills/bill-types.js').TariffSummary['appliesTo']} appliesTo */
export function appliesText(appliesTo) {
  const { regions = [], customerClasses = [], meters = [] } = appliesTo ?? {};
  const parts = [regions.length > 0 && `regions ${regions.join(', ')}`, customerClasses.length > 0 && customerClasses.join(', '), meters.length > 0 && `meters ${meters.join(', ')}`].filter(Boolean);
  return parts.length === 0 ? 'whoever agrees to it' : parts.join('; ');
}

/**
 * What a charge costs, and whether it is charged at all: what is given back says so.
 * @param {import('../bills/bill-types.js').Charge} charge @param {string} currency @param {ReadonlyMap<string, string>} [titles] of the periods of its schedule, as its calendar names them
 */
export function priceText({ kind, rates, price, amount, percent, per, of = [] }, currency, titles = new Map()) {
  if (rates !== undefined) {
    const prices = rates.map(({ period, tiers }) => `${period === '*' ? '' : `${titles.get(period) ?? period} `}${tiers.map((tier) => `${formatPrice(tier.price, currency)}${tierEnd(tier)}`).join(', then ')}`);
    return `${prices.join(' · ')}, per ${kind === 'demand' ? 'kW' : 'kWh'}${kind === 'export' ? ', given back' : ''}`;
  }
  if (percent !== undefined) return `${percent} %${of.length > 0 ? ` of ${of.join(', ')}` : ''}`;
  const words = `${formatPrice(price ?? amount ?? '0', currency)} per ${per ?? 'kWh'}`;
  if (kind === 'minimum') return `at least ${words}`;
  return kind === 'rebate' ? `${words}, given back` : words;
}

/** @param {{ upTo?: { value: string, unit: string } | null, upToKw?: string | null }} tier */
function tierEnd({ upTo, upToKw }) {
  if (upTo) return ` up to ${upTo.value} ${upTo.unit}`;
  return upToKw ? ` up to ${upToKw} kW` : '';
}
