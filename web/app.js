// @ts-check
import { html, render, useEffect, useRef, useState } from './ui.js';
import { AccountPage } from './account/account-page.js';
import { SessionGate } from './account/session-gate.js';
import { alertCounts } from './alert-state.js';
import { BillsPage } from './bills/bills-page.js';
import { EnginePage } from './engine/engine-page.js';
import { EngineStrip, StaleBanner } from './engine-strip.js';
import { GridPage } from './grid-page.js';
import { totals } from './grid-state.js';
import { useGrid } from './grid-stream.js';
import { heldMeters } from './home/held-meters.js';
import { HomePage } from './home/home-page.js';
import { MetersPage } from './meters/meters-page.js';
import { SilentPage } from './meters/silent-page.js';
import { PageNav } from './page-nav.js';
import { pageTitle, placeTitle } from './page-title.js';
import { PricesPage } from './prices/prices-page.js';
import { RegistryPage } from './registry/registry-page.js';
import { GRID, useRoute } from './route.js';
import { TariffsPage } from './tariffs/tariffs-page.js';
import { chooseTheme } from './theme-choice.js';

/** This machine's clock, each second. */
function useSeconds() {
  const [nowMs, setNowMs] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return nowMs;
}

/**
 * The page of somebody who was let in.
 * @param {{ me: import('./account/account-types.js').Me | null }} props null in an engine without accounts
 */
function Dashboard({ me }) {
  const isConsumer = me?.role === 'consumer';
  const asked = useRoute();
  const isElsewhere = !['home', 'bills', 'account'].includes(asked.page) || (asked.page === 'bills' && asked.id === null);
  // The list of their bills is on their home page.
  const route = isConsumer && isElsewhere ? { ...asked, page: 'home', id: null } : asked;
  const localMs = useSeconds();
  const held = heldMeters(me?.assignments ?? [], localMs);
  const homeMeter = route.page === 'home' ? (route.id ?? held[0]?.meterId ?? null) : null;
  // The stream tells of a meter as it is now: nothing of one that was left.
  const isLeft = held.some(({ meterId, isPresent }) => meterId === homeMeter && !isPresent);
  const { state, connection, lastMessageMs, putAlert, retry } = useGrid(isConsumer, isLeft ? null : (homeMeter ?? (route.page === GRID ? route.meterId : null)));
  const nowMs = localMs + state.clockOffsetMs;
  const pictureMs = lastMessageMs === null ? null : lastMessageMs + state.clockOffsetMs;
  const incidents = alertCounts(state.alerts);
  const title = pageTitle(placeTitle(route, isConsumer, state.alerts), incidents, connection.status !== 'live' && pictureMs !== null);
  useEffect(() => {
    document.title = title;
  }, [title]);
  const theme = me?.preferences.theme ?? null;
  useEffect(() => {
    if (theme !== null) chooseTheme(theme);
  }, [theme]);
  usePageFocus(`${route.page} ${route.page === GRID ? '' : route.id}`);

  /** @type {Record<string, () => any>} */
  const pages = {
    meters: () => html`<${MetersPage} state=${state} nowMs=${nowMs} />`,
    silent: () => html`<${SilentPage} state=${state} nowMs=${nowMs} />`,
    registry: () => html`<${RegistryPage} state=${state} meterId=${route.id} nowMs=${nowMs} />`,
    tariffs: () => html`<${TariffsPage} tariffId=${route.id} />`,
    bills: () => html`<${BillsPage} invoiceId=${route.id} me=${me} />`,
    prices: () => html`<${PricesPage} state=${state} me=${me} nowMs=${nowMs} />`,
    engine: () => html`<${EnginePage} state=${state} nowMs=${nowMs} />`,
    account: () => html`<${AccountPage} me=${me} />`,
    home: () => html`<${HomePage} key=${homeMeter} meterId=${homeMeter} me=${me} view=${state.meter} nowMs=${nowMs} />`,
  };
  const page = pages[route.page];
  const isLive = connection.status === 'live';
  return html`
    <${EngineStrip} engine=${state.engine} incidents=${state.alerts === null ? null : incidents} connection=${connection} isBrief=${page !== undefined} nowMs=${nowMs}>
      <${PageNav} page=${page === undefined ? GRID : route.page} isConsumer=${isConsumer} silent=${totals(state, [...(state.regions?.keys() ?? [])]).metersSilent} />
    <//>
    <${StaleBanner} connection=${connection} pictureMs=${pictureMs} onRetry=${retry} />
    <main id="main" tabindex="-1" class=${`${page === undefined ? 'of-grid' : `of-page of-${route.page} ${route.id === null ? '' : 'with-opened'}`} ${isLive ? '' : 'not-live'}`}>
      ${page === undefined
        ? html`<${GridPage} state=${state} route=${route} isLive=${isLive} pictureMs=${pictureMs} nowMs=${nowMs} onAlertChanged=${putAlert} />`
        : page()}
    </main>
  `;
}

/** Whoever turns to another page goes on in it, also without a mouse, and from its top. @param {string} key */
function usePageFocus(key) {
  const before = useRef(key);
  useEffect(() => {
    if (before.current === key) return;
    before.current = key;
    scrollTo(0, 0);
    document.getElementById('main')?.focus({ preventScroll: true });
  }, [key]);
}

const root = /** @type {HTMLElement} */ (document.getElementById('app'));
root.replaceChildren();
// Another role has other pages and other channels.
render(/** @type {any} */ (html`<${SessionGate}>${(/** @type {any} */ me) => html`<${Dashboard} key=${me === null ? '' : `${me.id} ${me.role}`} me=${me} />`}<//>`), root);
