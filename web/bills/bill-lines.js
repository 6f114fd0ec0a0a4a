// @ts-check
import { html } from '../ui.js';
import { formatDays, formatMoney } from '../money.js';

/**
 * What a bill is made of, and what it comes to.
 * @param {{ bill: import('./bill-types.js').Bill }} props
 */
export function BillLines({ bill: { lines, currency, net, tax, total, from, to } }) {
  return html`
    <table class="still lines">
      <thead><tr><th scope="col">For</th><th scope="col" class="number">Quantity</th><th scope="col" class="number price-of">Price</th><th scope="col" class="number">Amount</th></tr></thead>
      <tbody>
        ${lines.map(
          (line) => html`
            <tr key=${line.number} class=${`line-${line.kind}`}>
              <th scope="row">${line.text}${(line.from !== from || line.to !== to) && html`<span class="under">${formatDays(line.from, line.to)}</span>`}</th>
              <td class="number">${line.unit === '%' || line.unit === 'once' ? '' : quantityText(line)}</td>
              <td class="number price-of">${line.unit === '%' ? `${trimmed(line.unitPrice)} %` : trimmed(line.unitPrice)}</td>
              <td class="number">${formatMoney(line.amount, currency)}</td>
            </tr>
          `,
        )}
      </tbody>
      <tfoot>
        <tr><th scope="row" colspan="2">Before tax</th><td class="price-of"></td><td class="number">${formatMoney(net, currency)}</td></tr>
        <tr><th scope="row" colspan="2">Tax</th><td class="price-of"></td><td class="number">${formatMoney(tax, currency)}</td></tr>
        <tr class="total"><th scope="row" colspan="2">Total</th><td class="price-of"></td><td class="number">${formatMoney(total, currency)}</td></tr>
      </tfoot>
    </table>
  `;
}

/** `128.412 kWh`, `31 days` @param {import('./bill-types.js').InvoiceLine} line */
function quantityText({ quantity, unit }) {
  const figure = trimmed(quantity);
  return `${figure} ${['day', 'month', 'year'].includes(unit) && figure !== '1' ? `${unit}s` : unit}`;
}

/** Decimal text without noughts at its end. @param {string} decimal */
function trimmed(decimal) {
  return decimal.includes('.') ? decimal.replace(/\.?0+$/, '') : decimal;
}
