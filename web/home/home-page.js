// @ts-check
import { html } from '../ui.js';
import { formatDuration, formatPower } from '../format.js';
import { formatDay } from '../money.js';
import { EmptyNote } from '../notes.js';
import { BillList } from '../bills/bill-list.js';
import { MeterPlace } from '../registry/registry-entry.js';
import { goToPage } from '../route.js';
import { HomeComparison } from './home-comparison.js';
import { heldMeters, heldText, lastMoment, localDate, momentText } from './held-meters.js';
import { HomeCost } from './home-cost.js';
import { HomeMonths } from './home-months.js';
import { HomeUse } from './home-use.js';

/** Of whoever sees all there is of a meter. */
const ALWAYS = [{ fromMs: -Infinity, untilMs: Infinity }];

/**
 * A consumer's own: use, cost so far, what the bill will be, how it compares, and the bills; of a meter that they had before its use and bills of then. Mount it anew (key) for another meter.
 *
 * @param {object} props
 * @param {string | null} props.meterId
 * @param {import('../account/account-types.js').Me | null} props.me
 * @param {import('../grid-state.js').MeterView | null} props.view
 * @param {number} props.nowMs
 */
export function HomePage({ meterId, me, view, nowMs }) {
  const held = heldMeters(me?.assignments ?? [], nowMs);
  if (meterId === null) return html`<section class="panel" aria-labelledby="home-title"><h2 id="home-title">Your home</h2><${EmptyNote}>${noMeterText(me?.assignments ?? [])}<//></section>`;
  const own = held.find((meter) => meter.meterId === meterId);
  const isFormer = own !== undefined && !own.isPresent;
  const seen = view?.meterId === meterId ? view : null;
  const spans = own?.spans ?? ALWAYS;
  return html`
    <section class="panel area-now" aria-labelledby="home-title">
      <div class="panel-head">
        <h2 id="home-title">${isFormer ? 'Your home before' : 'Your home'}</h2>
        ${held.length > 1 ? html`<${ChooseMeter} meterId=${meterId} held=${held} />` : html`<p class="reporting">${meterId}</p>`}
      </div>
      <${MeterPlace} meterId=${meterId} isConsumer=${me?.role === 'consumer'} />
      ${heldText(spans) !== '' && html`<p class="note tight held">Yours ${heldText(spans)}. ${isFormer ? 'What was measured and billed in that time stays to be seen here.' : ''}</p>`}
      ${!isFormer && html`<${Now} view=${seen} nowMs=${nowMs} /><${HomeUse} meterId=${meterId} openWindows=${seen?.now?.openWindows ?? []} nowMs=${nowMs} />`}
    </section>
    ${!isFormer && html`<${HomeCost} meterId=${meterId} /><${HomeComparison} meterId=${meterId} />`}
    <${HomeMonths} meterId=${meterId} spans=${spans} nowMs=${nowMs} />
    <section class="panel area-bills" aria-labelledby="my-bills-title">
      <div class="panel-head"><h2 id="my-bills-title">Your bills</h2></div>
      <${BillList} state=${null} meterId=${meterId} invoiceId=${null} hasEnded=${isFormer} />
    </section>
  `;
}

/** @param {{ meterId: string, held: import('./held-meters.js').HeldMeter[] }} props */
function ChooseMeter({ meterId, held }) {
  const option = (/** @type {import('./held-meters.js').HeldMeter} */ meter) => html`<option key=${meter.meterId} value=${meter.meterId}>${meter.meterId}${meter.isPresent ? '' : `, until ${formatDay(localDate(lastMoment(meter) - 1))}`}</option>`;
  const [present, former] = [held.filter(({ isPresent }) => isPresent), held.filter(({ isPresent }) => !isPresent)];
  return html`
    <select aria-label="Meter" value=${meterId} onChange=${(/** @type {any} */ event) => goToPage('home', event.target.value)}>
      ${present.map(option)}
      ${former.length > 0 && html`<optgroup label="Yours before">${former.map(option)}</optgroup>`}
    </select>
  `;
}

/** Of somebody who has none and had none. @param {readonly import('../account/account-types.js').Assignment[]} assignments */
function noMeterText(assignments) {
  const next = assignments.filter(({ from }) => from !== null).sort((a, b) => Date.parse(a.from ?? '') - Date.parse(b.from ?? ''))[0];
  return next === undefined ? 'No meter belongs to your account yet. Your supplier assigns it.' : `Meter ${next.meterId} will be yours from ${momentText(Date.parse(next.from ?? ''))} on.`;
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
