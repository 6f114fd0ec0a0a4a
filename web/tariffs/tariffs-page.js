// @ts-check
import { html } from '../ui.js';
import { getJson } from '../api.js';
import { formatDay } from '../money.js';
import { EmptyNote, ErrorNote, LoadingNote } from '../notes.js';
import { useRemote } from '../remote-data.js';
import { goToPage, pageHash } from '../route.js';
import { useListKeys } from '../list-keys.js';
import { TariffSheet } from './tariff-sheet.js';
import { appliesText } from './tariff-words.js';

/** More tariffs than a page of them has an operator who knows their names. */
const LISTED_MAX = 200;

/**
 * Tariffs, and the one that was opened.
 * @param {{ tariffId: string | null }} props
 */
export function TariffsPage({ tariffId }) {
  const { data, error, refresh } = useRemote('', (signal) => /** @type {Promise<import('../wire-types.js').Page<import('../bills/bill-types.js').TariffSummary>>} */ (getJson('/tariffs', { limit: String(LISTED_MAX) }, signal)), null);
  const keys = useListKeys();
  const opened = tariffId ?? data?.data[0]?.id ?? null;
  return html`
    <section class="panel area-list" aria-labelledby="tariffs-title">
      <div class="panel-head"><h2 id="tariffs-title">Tariffs</h2>${data !== null && html`<p class="reporting">${data.data.length}${data.nextCursor === null ? '' : ' and more'}</p>`}</div>
      ${error !== null && html`<${ErrorNote} error=${error} onRetry=${refresh} />`}
      ${data === null && error === null && html`<${LoadingNote} what="tariffs" />`}
      ${data !== null && data.data.length === 0 && html`<${EmptyNote}>No tariff yet. <code>npm run seg -- tariff put docs/tariffs/time-of-use.json</code> stores one.<//>`}
      <ul class="picks" ...${keys}>
        ${(data?.data ?? []).map(
          (tariff) => html`
            <li key=${tariff.id} aria-current=${tariff.id === opened ? 'true' : undefined} onClick=${() => goToPage('tariffs', tariff.id)}>
              <a href=${pageHash('tariffs', tariff.id)}>${tariff.name}</a>
              <span class="of">${tariff.id}, version ${tariff.version}</span>
              <span class="of">from ${formatDay(tariff.effectiveFrom)} · ${appliesText(tariff.appliesTo)}</span>
            </li>
          `,
        )}
      </ul>
    </section>
    ${opened !== null && html`<${TariffSheet} key=${opened} tariffId=${opened} />`}
  `;
}
