// @ts-check
import { formatPrice } from '../money.js';

/** What a tariff's document says, as words. */

/** @param {import('../bills/bill-types.js').TariffSummary['appliesTo']} appliesTo */
export function appliesText(appliesTo) {
  const { regions = [], customerClasses = [], meters = [] } = appliesTo ?? {};
  const parts = [regions.length > 0 && `regions ${regions.join(', ')}`, customerClasses.length > 0 && customerClasses.join(', '), meters.length > 0 && `meters ${meters.join(', ')}`].filter(Boolean);
  return parts.length === 0 ? 'whoever agrees to it' : parts.join('; ');
}

/** @param {import('../bills/bill-types.js').Charge} charge @param {string} currency */
export function priceText({ rates, price, amount, percent, per, of = [] }, currency) {
  if (rates !== undefined) {
    return rates
      .map(({ period, tiers }) => `${period === '*' ? '' : `${period} `}${tiers.map((tier) => `${formatPrice(tier.price, currency)}${tierEnd(tier)}`).join(', then ')}`)
      .join(' · ');
  }
  if (percent !== undefined) return `${percent} %${of.length > 0 ? ` of ${of.join(', ')}` : ''}`;
  return `${formatPrice(price ?? amount ?? '0', currency)}${per === undefined ? ' per kWh' : ` per ${per}`}`;
}

/** @param {{ upTo?: { value: string, unit: string } | null, upToKw?: string | null }} tier */
function tierEnd({ upTo, upToKw }) {
  if (upTo) return ` up to ${upTo.value} ${upTo.unit}`;
  return upToKw ? ` up to ${upToKw} kW` : '';
}
