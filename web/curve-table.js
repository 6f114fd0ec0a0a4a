// @ts-check
import { html, useState } from './ui.js';

/** Rows at first, and with each wish for more: of a day of minutes nobody reads all. */
const ROWS_AT_ONCE = 60;

/**
 * The figures of a curve as a table, for who does not see it or wants to copy them. Made when it is opened.
 * @param {{ caption: string, head: string[], rows: () => (string | number)[][] }} props the first column names the row
 */
export function CurveTable({ caption, head, rows }) {
  const [isOpen, setOpen] = useState(false);
  const [shown, setShown] = useState(ROWS_AT_ONCE);
  const all = isOpen ? rows() : [];
  return html`
    <details class="curve-table" onToggle=${(/** @type {any} */ event) => setOpen(event.currentTarget.open)}>
      <summary>As a table<span class="hidden">: ${caption}</span></summary>
      ${isOpen &&
      html`
        <div class="scroll" tabindex="0" role="region" aria-label=${caption}>
          <table class="still">
            <caption class="hidden">${caption}</caption>
            <thead><tr>${head.map((words, i) => html`<th key=${i} scope="col" class=${i === 0 ? '' : 'number'}>${words}</th>`)}</tr></thead>
            <tbody>${all.slice(0, shown).map(([name, ...cells], row) => html`<tr key=${row}><th scope="row">${name}</th>${cells.map((cell, i) => html`<td key=${i} class="number">${cell}</td>`)}</tr>`)}</tbody>
          </table>
          ${all.length > shown && html`<button type="button" onClick=${() => setShown(shown + ROWS_AT_ONCE)}>More of the ${all.length} rows</button>`}
        </div>
      `}
    </details>
  `;
}
