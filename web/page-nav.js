// @ts-check
import { html } from './ui.js';
import { GRID } from './route.js';

/** @type {readonly (readonly [page: string, words: string])[]} */
const OPERATOR_PAGES = [[GRID, 'Grid'], ['meters', 'Meters'], ['silent', 'Silent'], ['registry', 'Registry'], ['tariffs', 'Tariffs'], ['bills', 'Bills'], ['prices', 'Prices'], ['engine', 'Engine'], ['account', 'Settings']];
/** @type {readonly (readonly [page: string, words: string])[]} */
const CONSUMER_PAGES = [['home', 'Home'], ['account', 'Account']];
/** A bill belongs to where it was opened from. @type {Record<string, string>} */
const CONSUMER_PARENTS = { bills: 'home' };

/** What a page is called; null: the grid, and none that there is. @param {string} page @param {boolean} isConsumer @returns {string | null} */
export function pageWords(page, isConsumer) {
  if (page === GRID) return null;
  const pages = isConsumer ? [...CONSUMER_PAGES, ...OPERATOR_PAGES] : OPERATOR_PAGES;
  return pages.find(([name]) => name === page)?.[1] ?? null;
}

/**
 * The pages, and which one is open.
 * @param {{ page: string, isConsumer: boolean, silent: number }} props `silent`: how many meters are, for the operator
 */
export function PageNav({ page, isConsumer, silent }) {
  const current = isConsumer ? (CONSUMER_PARENTS[page] ?? page) : page;
  return html`
    <nav class="page-nav" aria-label="Pages">
      ${(isConsumer ? CONSUMER_PAGES : OPERATOR_PAGES).map(
        ([name, words]) => html`
          <a key=${name} href=${name === GRID ? '#/' : `#${name}`} aria-current=${name === current ? 'page' : undefined}>
            ${words}${name === 'silent' && silent > 0 && html` <span class="count">${silent}<span class="hidden"> meters</span></span>`}
          </a>
        `,
      )}
    </nav>
  `;
}
