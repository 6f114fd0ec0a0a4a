// @ts-check
import { html, useState } from '../ui.js';
import { authorOf, whoIsIn } from '../account/session.js';
import { postJson } from '../api.js';
import { formatMoment } from '../format.js';

const HOURS = [1, 4, 12, 24];

/**
 * Sets a price until it ends, whatever the load, with a reason that stays.
 * @param {{ region: string, currency: string, onMade: () => void }} props
 */
export function OverrideForm({ region, currency, onMade }) {
  const [isBusy, setBusy] = useState(false);
  const [said, setSaid] = useState({ text: '', isError: false });
  const submit = async (/** @type {any} */ event) => {
    event.preventDefault();
    const form = event.currentTarget;
    const field = (/** @type {string} */ name) => form.elements.namedItem(name)?.value.trim() ?? '';
    const hours = Number(field('hours'));
    const wished = { region, price: field('price').replace(',', '.'), reason: field('reason'), ...authorOf(field('by')) };
    setBusy(true);
    try {
      const { until } = /** @type {import('../bills/bill-types.js').PriceOverride} */ (await postJson('/price-overrides', { ...wished, until: new Date(Date.now() + hours * 3_600_000).toISOString() }, null, { ...wished, hours }));
      setSaid({ text: `Set until ${formatMoment(Date.parse(until), Date.now())}.`, isError: false });
      form.reset();
      onMade();
    } catch (error) {
      setSaid({ text: /** @type {Error} */ (error).message, isError: true });
    }
    setBusy(false);
  };
  return html`
    <details class="override-form">
      <summary>Set the price by hand</summary>
      <form class="actions" onSubmit=${submit}>
        <label>Price ${currency && html`<span class="of">(${currency} per kWh)</span>`} <input name="price" required inputmode="decimal" pattern="-?[0-9]{1,9}([.,][0-9]{1,8})?" placeholder="0.25" autocomplete="off" /></label>
        <label>For <select name="hours">${HOURS.map((hours) => html`<option key=${hours} value=${hours}>${hours} h</option>`)}</select></label>
        ${whoIsIn() === null && html`<label>Your name <input name="by" required maxlength="128" autocomplete="name" /></label>`}
        <label>Reason <input name="reason" required maxlength="1000" autocomplete="off" /></label>
        <div class="buttons"><button type="submit" class="main" disabled=${isBusy}>Set</button></div>
        <p class=${said.isError ? 'said error' : 'said'} role="status">${said.text}</p>
      </form>
    </details>
  `;
}
