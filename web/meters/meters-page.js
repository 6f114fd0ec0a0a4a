// @ts-check
import { html, useState } from '../ui.js';
import { getJson } from '../api.js';
import { formatCount } from '../format.js';
import { totals } from '../grid-state.js';
import { goTo } from '../route.js';
import { MeterScroll } from './meter-scroll.js';

/**
 * All meters, by region, and the way to one by its id.
 * @param {{ state: import('../grid-state.js').GridState, nowMs: number }} props
 */
export function MetersPage({ state, nowMs }) {
  const [region, setRegion] = useState(/** @type {string | null} */ (null));
  const names = [...(state.regions?.keys() ?? [])];
  const { meters } = totals(state, region === null ? names : [region]);
  return html`
    <section class="panel" aria-labelledby="meters-title">
      <div class="panel-head">
        <h2 id="meters-title">Meters</h2>
        <p class="reporting">${formatCount(meters)}${region === null ? '' : ` in ${region}`}</p>
        <div class="filters">
          <${FindMeter} />
          <select aria-label="Region of meters" value=${region ?? ''} onChange=${(/** @type {any} */ event) => setRegion(event.target.value || null)}>
            <option value="">All regions</option>
            ${names.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
          </select>
        </div>
      </div>
      <${MeterScroll} key=${region} region=${region} total=${meters} nowMs=${nowMs} />
    </section>
  `;
}

/** Leads to the meter of an id. */
function FindMeter() {
  const [fault, setFault] = useState('');
  const find = async (/** @type {any} */ event) => {
    event.preventDefault();
    const id = event.currentTarget.elements.namedItem('meter').value.trim();
    if (id === '') return;
    try {
      const meter = /** @type {import('../wire-types.js').MeterSummary} */ (await getJson(`/meters/${encodeURIComponent(id)}`, {}));
      goTo(meter.region, meter.meterId);
    } catch (error) {
      setFault(/** @type {Error} */ (error).message);
    }
  };
  return html`
    <form class="find" role="search" onSubmit=${find}>
      <input name="meter" aria-label="Id of a meter" placeholder="Id of a meter" autocomplete="off" spellcheck=${false} maxlength="64" onInput=${() => setFault('')} />
      <button type="submit">Open</button>
      <span class="said error" role="status">${fault}</span>
    </form>
  `;
}
