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
 * Bills by their state, and the one that was opened; for consumers that one alone, whose list is on their home page.
 * @param {{ invoiceId: string | null, me: import('../account/account-types.js').Me | null }} props
 */
export function BillsPage({ invoiceId, me }) {
  const isConsumer = me?.role === 'consumer';
  // Whoever has some regions asks by meter, and the months of all customers are not theirs.
  const ofMeters = me !== null && (isConsumer || (me.role === 'operator' && me.regions !== 'all'));
  if (isConsumer && invoiceId !== null) return html`<${BillDetail} key=${invoiceId} invoiceId=${invoiceId} me=${me} back=${(/** @type {string | null} */ meterId) => pageHash('home', meterId)} />`;
  return html`
    <${Listed} invoiceId=${invoiceId} ofMeters=${ofMeters} />
    ${invoiceId === null ? !ofMeters && html`<${BillingRuns} />` : html`<${BillDetail} key=${invoiceId} invoiceId=${invoiceId} me=${me} back=${() => pageHash('bills')} />`}
  `;
}

/** @param {{ invoiceId: string | null, ofMeters: boolean }} props `ofMeters`: of one meter at a time alone */
function Listed({ invoiceId, ofMeters }) {
  const [filter, setFilter] = useState({ state: /** @type {string | null} */ (null), meterId: /** @type {string | null} */ (null) });
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
  const exported = () => saveFile('/invoices/export', { format: 'csv', state: filter.state, meterId: filter.meterId, limit: '200' }).catch((error) => setFault(error.message));
  return html`
    <section class="panel area-list" aria-labelledby="bills-title">
      <div class="panel-head">
        <h2 id="bills-title">Bills</h2>
        <div class="filters">
          <select aria-label="State of bills" value=${filter.state ?? ''} onChange=${(/** @type {any} */ event) => setFilter({ ...filter, state: event.target.value || null })}>
            <option value="">All</option>
            ${Object.entries(STATES).filter(([state]) => state !== 'draft').map(([state, { word }]) => html`<option key=${state} value=${state}>${word}</option>`)}
          </select>
          <form class="find" role="search" onSubmit=${byNumber}>
            <input name="asked" aria-label="Number of a bill, or id of a meter" placeholder="Bill or meter" autocomplete="off" spellcheck=${false} maxlength="128" />
            <button type="submit">Find</button>
          </form>
          <button type="button" disabled=${ofMeters && filter.meterId === null} onClick=${exported}>Export</button>
        </div>
      </div>
      <p class="said error" role="status">${fault}</p>
      ${
        ofMeters && filter.meterId === null
          ? html`<${EmptyNote}>Name a meter of yours, or a bill by its number.<//>`
          : html`<${BillList} key=${`${filter.state} ${filter.meterId}`} state=${filter.state} meterId=${filter.meterId} invoiceId=${invoiceId} hasCustomers />`
      }
    </section>
  `;
}
