// @ts-check
import { html, useState } from './ui.js';

/**
 * The figures of a curve as a table, for who does not see it or wants to copy them. Made when it is opened.
 * @param {{ caption: string, head: string[], rows: () => (string | number)[][] }} props the first column names the row
 */
export function CurveTable({ caption, head, rows }) {
  const [isOpen, setOpen] = useState(false);
  return html`
    <details class="curve-table" onToggle=${(/** @type {any} */ event) => setOpen(event.currentTarget.open)}>
      <summary>As a table<span class="hidden">: ${caption}</span></summary>
      ${isOpen &&
      html`
        <div class="scroll" tabindex="0" role="region" aria-label=${caption}>
          <table class="still">
            <caption class="hidden">${caption}</caption>
            <thead><tr>${head.map((words, i) => html`<th key=${i} scope="col" class=${i === 0 ? '' : 'number'}>${words}</th>`)}</tr></thead>
            <tbody>${rows().map(([name, ...cells], row) => html`<tr key=${row}><th scope="row">${name}</th>${cells.map((cell, i) => html`<td key=${i} class="number">${cell}</td>`)}</tr>`)}</tbody>
          </table>
        </div>
      `}
    </details>
  `;
}
