// @ts-check
import { html, useState } from '../ui.js';
import { authorOf, whoIsIn } from '../account/session.js';
import { deleteJson, getJson } from '../api.js';
import { formatMoment } from '../format.js';
import { formatPrice } from '../money.js';
import { ErrorNote } from '../notes.js';
import { useRemote } from '../remote-data.js';

const SHOWN_MAX = 20;

/**
 * Prices that were set by hand: those that hold or will, and what became of others.
 * @param {{ currencyOf: (region: string) => string, nowMs: number, onEnded: () => void }} props
 */
export function OverrideList({ currencyOf, nowMs, onEnded }) {
  const [withEnded, setWithEnded] = useState(false);
  const { data, error, refresh } = useRemote(
    `${withEnded}`,
    (signal) => /** @type {Promise<import('../wire-types.js').Page<import('../bills/bill-types.js').PriceOverride>>} */ (getJson('/price-overrides', { ended: String(withEnded), limit: String(SHOWN_MAX) }, signal)),
    null,
  );
  return html`
    <div class="panel-head"><h3 id="overrides-title">Set by hand</h3><label class="check"><input type="checkbox" checked=${withEnded} onChange=${(/** @type {any} */ event) => setWithEnded(event.target.checked)} /> also those that are over</label></div>
    ${error !== null && html`<${ErrorNote} error=${error} onRetry=${refresh} />`}
    ${data !== null && data.data.length === 0 && html`<p class="note tight">None${withEnded ? '' : ' now'}.</p>`}
    <ul class="rows" aria-labelledby="overrides-title">
      ${(data?.data ?? []).map((override) => html`<${OverrideRow} key=${override.id} override=${override} currency=${currencyOf(override.region)} nowMs=${nowMs} onEnded=${onEnded} />`)}
    </ul>
  `;
}

/** @param {{ override: import('../bills/bill-types.js').PriceOverride, currency: string, nowMs: number, onEnded: () => void }} props */
function OverrideRow({ override, currency, nowMs, onEnded }) {
  const [fault, setFault] = useState('');
  const [isAsking, setAsking] = useState(false);
  const isOver = override.endedAt !== null || Date.parse(override.until) <= nowMs;
  const end = async (/** @type {any} */ event) => {
    event.preventDefault();
    const field = (/** @type {string} */ name) => event.currentTarget.elements.namedItem(name)?.value.trim() ?? '';
    try {
      await deleteJson(`/price-overrides/${encodeURIComponent(override.id)}`, { reason: field('reason'), by: null, ...authorOf(field('by')) });
      onEnded();
    } catch (error) {
      setFault(/** @type {Error} */ (error).message);
    }
  };
  return html`
    <li class=${isOver ? 'past' : ''}>
      <span><strong>${override.region}</strong> ${formatPrice(override.price, currency)}<span class="of"> per kWh</span></span>
      <span class="of">${formatMoment(Date.parse(override.from), nowMs)} – ${formatMoment(Date.parse(override.endedAt ?? override.until), nowMs)}, ${override.by}: ${override.reason}${override.endedBy && `; ended by ${override.endedBy}: ${override.endReason}`}</span>
      ${!isOver && !isAsking && html`<button type="button" onClick=${() => setAsking(true)}>End</button>`}
      ${isAsking &&
      html`
        <form class="find" onSubmit=${end}>
          ${whoIsIn() === null && html`<input name="by" aria-label="Your name" placeholder="Your name" required maxlength="128" />`}
          <input name="reason" aria-label="Why it ends" placeholder="Why" required maxlength="1000" />
          <button type="submit" class="main">End it</button>
          <span class="said error" role="status">${fault}</span>
        </form>
      `}
    </li>
  `;
}
