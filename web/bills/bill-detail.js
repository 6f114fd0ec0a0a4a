// @ts-check
import { html, useEffect, useRef, useState } from '../ui.js';
import { getJson, saveFile } from '../api.js';
import { formatCount, formatMoment } from '../format.js';
import { formatDay, formatDays, formatKwh, formatMoney } from '../money.js';
import { ErrorNote, LoadingNote } from '../notes.js';
import { useRemote } from '../remote-data.js';
import { BillExplained } from './bill-explained.js';
import { BillLines } from './bill-lines.js';
import { BillPayments } from './bill-payments.js';
import { invoiceName, missingTag, STATES } from './bill-words.js';
import { DayBars } from './day-bars.js';

/**
 * One bill: what it comes to and why. Mount it anew (key) for another.
 * @param {{ invoiceId: string, me: import('../account/account-types.js').Me | null, back: (meterId: string | null) => string }} props `back`: where closing leads, of the bill's meter once that is known
 */
export function BillDetail({ invoiceId, me, back }) {
  const { data, error, refresh } = useRemote(invoiceId, (signal) => /** @type {Promise<import('./bill-types.js').Invoice>} */ (getJson(`/invoices/${encodeURIComponent(invoiceId)}`, {}, signal)), null);
  const title = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => title.current?.focus({ preventScroll: true }), [data === null]);
  return html`
    <section class="panel area-opened" aria-labelledby="bill-title">
      <div class="panel-head">
        <h2 id="bill-title" tabindex="-1" ref=${title}>${data === null ? 'Bill' : invoiceName(data)}</h2>
        <a class="back" href=${back(data?.meterId ?? null)}>← All bills</a>
      </div>
      ${error !== null && html`<${ErrorNote} error=${error} onRetry=${refresh} />`}
      ${data === null && error === null && html`<${LoadingNote} what="the bill" />`}
      ${data !== null && html`<${Bill} invoice=${data} me=${me} />`}
    </section>
  `;
}

/** @param {{ invoice: import('./bill-types.js').Invoice, me: import('../account/account-types.js').Me | null }} props */
function Bill({ invoice, me }) {
  const { word, level } = STATES[invoice.state];
  const notMeasured = missingTag(invoice);
  const { missing, estimated, measured } = invoice.quality;
  return html`
    <div class="bill-head">
      <p class="big-amount">${formatMoney(invoice.total, invoice.currency)}<span class=${`tag tag-${level}`}>${word}</span>${notMeasured !== null && html`<span class=${`tag tag-${notMeasured.level}`}>${notMeasured.word}</span>`}</p>
      <${Files} invoice=${invoice} language=${me?.preferences.locale ?? 'en'} />
    </div>
    <dl class="facts bill-facts">
      <div><dt>For</dt><dd>${formatDays(invoice.from, invoice.to)}</dd></div>
      <div><dt>Customer</dt><dd>${invoice.customer.name}</dd></div>
      <div><dt>Meter</dt><dd>${invoice.meterId}</dd></div>
      <div><dt>Used</dt><dd>${formatKwh(invoice.importKwh)}${Number(invoice.exportKwh) > 0 && html`<span class="of">, given ${formatKwh(invoice.exportKwh)}</span>`}</dd></div>
      ${invoice.issuedAt && html`<div><dt>Issued</dt><dd>${formatMoment(Date.parse(invoice.issuedAt), Date.now())}</dd></div>`}
      ${invoice.dueDate && html`<div><dt>To be paid by</dt><dd>${formatDay(invoice.dueDate)}</dd></div>`}
      <div><dt>Still open</dt><dd>${formatMoney(invoice.outstanding, invoice.currency)}</dd></div>
    </dl>
    ${(missing > 0 || estimated > 0) && html`<p class="note tight">Of ${formatCount(measured + estimated + missing)} quarter-hours ${formatCount(estimated)} were estimated${missing > 0 ? ` and ${formatCount(missing)} are missing` : ''}.</p>`}
    <${Corrections} invoice=${invoice} />
    <h3>Lines</h3>
    <${BillLines} bill=${invoice} />
    ${invoice.kind === 'invoice' && html`<${BillExplained} invoiceId=${invoice.id} currency=${invoice.currency} />`}
    ${invoice.dailyKwh.length > 1 && html`<h3>By day</h3><${DayBars} days=${invoice.dailyKwh} caption=${`Use by day of ${invoiceName(invoice)}`} />`}
    <${BillPayments} invoiceId=${invoice.id} currency=${invoice.currency} />
  `;
}

/** @param {{ invoice: import('./bill-types.js').Invoice, language: string }} props */
function Files({ invoice, language }) {
  const [said, setSaid] = useState({ text: '', isError: false });
  const path = `/invoices/${encodeURIComponent(invoice.id)}`;
  /** @param {string} what @param {Record<string, string | null>} query */
  const save = async (what, query) => {
    setSaid({ text: 'Fetching…', isError: false });
    await saveFile(`${path}/${what}`, query).then(
      () => setSaid({ text: 'Saved.', isError: false }),
      (error) => setSaid({ text: error.message, isError: true }),
    );
  };
  return html`
    <p class="buttons">
      <button type="button" class="main" onClick=${() => save('pdf', { language })}>PDF</button>
      <button type="button" onClick=${() => save('csv', {})}>CSV</button>
      <span class=${said.isError ? 'said error' : 'said'} role="status">${said.text}</span>
    </p>
  `;
}

/** What was different, in a bill that is in the place of another. @param {{ invoice: import('./bill-types.js').Invoice }} props */
function Corrections({ invoice: { corrects, correctedBy, differences, currency } }) {
  if (corrects === null && correctedBy.length === 0 && differences.length === 0) return null;
  return html`
    <div class="callout">
      ${corrects !== null && html`<p>In the place of <a href=${`#bills/${encodeURIComponent(corrects)}`}>another bill</a>.</p>`}
      ${correctedBy.length > 0 && html`<p>Corrected by ${correctedBy.map((id, i) => html`${i > 0 ? ', ' : ''}<a key=${id} href=${`#bills/${encodeURIComponent(id)}`}>${i === 0 ? 'a credit note' : 'a new bill'}</a>`)}.</p>`}
      ${differences.length > 0 &&
      html`
        <table class="still">
          <thead><tr><th scope="col">What is different</th><th scope="col" class="number">Before</th><th scope="col" class="number">Now</th></tr></thead>
          <tbody>${differences.map(({ text, before, after }, i) => html`<tr key=${i}><th scope="row">${text}</th><td class="number">${before === null ? '–' : formatMoney(before, currency)}</td><td class="number">${after === null ? '–' : formatMoney(after, currency)}</td></tr>`)}</tbody>
        </table>
      `}
    </div>
  `;
}
