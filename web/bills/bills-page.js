// @ts-check
import { html, useState } from '../ui.js';
import { getJson, saveFile } from '../api.js';
import { EmptyNote } from '../notes.js';
import { goToPage, pageHash } from '../route.js';
import { BillDetail } from './bill-detail.js';
import { BillList } from './bill-list.js';
import { BillingRuns } from './billing-runs.js';
import { STATES } from './bill-words.js';

/**
 * Bills by their state, and the one that was opened; for consumers that one alone, whose list is on their home page. Whoever has some regions sees those of one of them, or of a meter.
 * @param {{ invoiceId: string | null, me: import('../account/account-types.js').Me | null }} props
 */
export function BillsPage({ invoiceId, me }) {
  if (me?.role === 'consumer' && invoiceId !== null) return html`<${BillDetail} key=${invoiceId} invoiceId=${invoiceId} me=${me} back=${(/** @type {string | null} */ meterId) => pageHash('home', meterId)} />`;
  // The regions of an admin are not said, who reaches all of them.
  const regions = me?.role !== 'operator' || me.regions === 'all' ? null : [...me.regions].sort();
  return html`
    <${Listed} invoiceId=${invoiceId} regions=${regions} />
    ${invoiceId === null ? regions === null && html`<${BillingRuns} />` : html`<${BillDetail} key=${invoiceId} invoiceId=${invoiceId} me=${me} back=${() => pageHash('bills')} />`}
  `;
}

/** @param {{ invoiceId: string | null, regions: string[] | null }} props `regions`: of one of these at a time; null: of all there are */
function Listed({ invoiceId, regions }) {
  const [filter, setFilter] = useState({ state: /** @type {string | null} */ (null), meterId: /** @type {string | null} */ (null), region: /** @type {string | null} */ (null) });
  const [fault, setFault] = useState('');
  const byNumber = async (/** @type {any} */ event) => {
    event.preventDefault();
    const asked = event.currentTarget.elements.namedItem('asked').value.trim();
    setFault('');
    if (asked === '') return setFilter({ ...filter, meterId: null });
    try {
      const invoice = /** @type {import('./bill-types.js').Invoice} */ (await getJson(`/invoices/${encodeURIComponent(asked)}`, {}));
      goToPage('bills', invoice.id);
    } catch {
      setFilter({ ...filter, meterId: asked });
    }
  };
  const { state, meterId } = filter;
  const chosen = regions?.find((name) => name === filter.region) ?? regions?.[0] ?? null;
  // A meter may be in any of theirs.
  const region = meterId === null ? chosen : null;
  const isOfNothing = regions?.length === 0 && meterId === null;
  const exported = () => saveFile('/invoices/export', { format: 'csv', state, meterId, region, limit: '200' }).catch((error) => setFault(error.message));
  return html`
    <section class="panel area-list" aria-labelledby="bills-title">
      <div class="panel-head">
        <h2 id="bills-title">Bills</h2>
        <div class="filters">
          ${
            (regions?.length ?? 0) > 1 &&
            html`
              <select aria-label="Region of bills" value=${chosen} onChange=${(/** @type {any} */ event) => setFilter({ ...filter, region: event.target.value, meterId: null })}>
                ${regions?.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
              </select>
            `
          }
          <select aria-label="State of bills" value=${state ?? ''} onChange=${(/** @type {any} */ event) => setFilter({ ...filter, state: event.target.value || null })}>
            <option value="">All</option>
            ${Object.entries(STATES).filter(([state]) => state !== 'draft').map(([state, { word }]) => html`<option key=${state} value=${state}>${word}</option>`)}
          </select>
          <form key=${chosen} class="find" role="search" onSubmit=${byNumber}>
            <input name="asked" aria-label="Number of a bill, or id of a meter" placeholder="Bill or meter" autocomplete="off" spellcheck=${false} maxlength="128" />
            <button type="submit">Find</button>
          </form>
          <button type="button" disabled=${isOfNothing} onClick=${exported}>Export</button>
        </div>
      </div>
      <p class="said error" role="status">${fault}</p>
      ${
        isOfNothing
          ? html`<${EmptyNote}>No region is yours yet.<//>`
          : html`<${BillList} key=${`${state} ${meterId} ${region}`} state=${state} meterId=${meterId} region=${region} invoiceId=${invoiceId} hasCustomers />`
      }
    </section>
  `;
}
