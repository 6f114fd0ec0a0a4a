// @ts-check
import { html } from '../ui.js';
import { formatDuration, formatPower } from '../format.js';
import { EmptyNote } from '../notes.js';
import { BillList } from '../bills/bill-list.js';
import { MeterPlace } from '../registry/registry-entry.js';
import { goToPage } from '../route.js';
import { HomeComparison } from './home-comparison.js';
import { HomeCost } from './home-cost.js';
import { HomeUse } from './home-use.js';

/**
 * A consumer's own: use, cost so far, what the bill will be, how it compares, and the bills. Mount it anew (key) for another meter.
 *
 * @param {object} props
 * @param {string | null} props.meterId
 * @param {import('../account/account-types.js').Me | null} props.me
 * @param {import('../grid-state.js').MeterView | null} props.view
 * @param {number} props.nowMs
 */
export function HomePage({ meterId, me, view, nowMs }) {
  const meters = me?.meters ?? [];
  if (meterId === null) {
    return html`<section class="panel" aria-labelledby="home-title"><h2 id="home-title">Your home</h2><${EmptyNote}>No meter belongs to your account yet. Your supplier assigns it.<//></section>`;
  }
  const seen = view?.meterId === meterId ? view : null;
  return html`
    <section class="panel area-now" aria-labelledby="home-title">
      <div class="panel-head">
        <h2 id="home-title">Your home</h2>
        ${meters.length > 1
          ? html`<select aria-label="Meter" value=${meterId} onChange=${(/** @type {any} */ event) => goToPage('home', event.target.value)}>${meters.map((id) => html`<option key=${id} value=${id}>${id}</option>`)}</select>`
          : html`<p class="reporting">${meterId}</p>`}
      </div>
      <${MeterPlace} meterId=${meterId} isConsumer=${me?.role === 'consumer'} />
      <${Now} view=${seen} nowMs=${nowMs} />
      <${HomeUse} meterId=${meterId} openWindows=${seen?.now?.openWindows ?? []} nowMs=${nowMs} />
    </section>
    <${HomeCost} meterId=${meterId} />
    <${HomeComparison} meterId=${meterId} />
    <section class="panel area-bills" aria-labelledby="my-bills-title">
      <div class="panel-head"><h2 id="my-bills-title">Your bills</h2></div>
      <${BillList} state=${null} meterId=${meterId} invoiceId=${null} />
    </section>
  `;
}

/** @param {{ view: import('../grid-state.js').MeterView | null, nowMs: number }} props */
function Now({ view, nowMs }) {
  if (view?.error) return html`<p class="note error">${view.error}</p>`;
  if (view === null || view.now === null) return html`<p class="note">Looking at your meter…</p>`;
  const { lastReading, health, baseline } = view.now.meter;
  const ago = formatDuration(nowMs - Date.parse(lastReading.timestamp));
  return html`
    <p class="big-amount"><span aria-live="off">${formatPower(lastReading.powerKw, 2)}</span><span class="of">${health === 'silent' ? html`<strong class="silent">silent</strong>, last heard ${ago} ago` : `${lastReading.powerKw < 0 ? 'given to the grid' : 'drawn'}, ${ago} ago`}</span></p>
    ${baseline.warm && html`<p class="note tight">Usual for you: ${formatPower(baseline.meanKw, 2)}.</p>`}
  `;
}
