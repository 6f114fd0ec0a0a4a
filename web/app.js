// @ts-check
import { html, render, useEffect, useRef, useState } from './ui.js';
import { useAllAlerts } from './alert-fill.js';
import { AlertPanel } from './alert-panel.js';
import { alertCounts, pageTitle } from './alert-state.js';
import { AnomalyList } from './anomaly-list.js';
import { EngineStrip, StaleBanner } from './engine-strip.js';
import { FirstReading } from './first-reading.js';
import { formatCount } from './format.js';
import { GridLoad } from './grid-load.js';
import { emptyState, overloaded, totals, withAlert, withAllAlerts, withMessage, withMeter } from './grid-state.js';
import { LiveClient } from './live-client.js';
import { MeterList } from './meter-list.js';
import { MeterPanel } from './meter-panel.js';
import { RegionBoard } from './region-board.js';
import { goTo, openAlert, useRoute } from './route.js';

/** The live stream as state: connects once, and watches the selected meter. @param {string | null} meterId */
function useGrid(meterId) {
  const [state, setState] = useState(emptyState);
  const [connection, setConnection] = useState(/** @type {import('./wire-types.js').Connection} */ ({ status: 'connecting' }));
  const [lastMessageMs, setLastMessageMs] = useState(/** @type {number | null} */ (null));
  const client = useRef(/** @type {LiveClient | null} */ (null));
  useEffect(() => {
    const receive = (/** @type {import('./wire-types.js').LiveMessage} */ message) => {
      setLastMessageMs(Date.now());
      setState((before) => withMessage(before, message, Date.now()));
    };
    client.current = new LiveClient(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/live`, receive, setConnection);
    client.current.subscribe('regions', 'anomalies', 'alerts', 'engine');
    client.current.connect();
  }, []);
  useEffect(() => {
    setState((before) => withMeter(before, meterId));
    if (meterId === null) return undefined;
    client.current?.subscribe(`meter:${meterId}`);
    return () => client.current?.unsubscribe(`meter:${meterId}`);
  }, [meterId]);
  const known = useRef(state.alerts);
  known.current = state.alerts;
  useAllAlerts(
    state.hasOlderAlerts && connection.status === 'live',
    () => known.current,
    (fetched, before) => setState((now) => withAllAlerts(now, fetched, before)),
  );
  const putAlert = (/** @type {import('./wire-types.js').Alert} */ alert) => setState((before) => withAlert(before, alert));
  return { state, connection, lastMessageMs, putAlert, retry: () => client.current?.retryNow() };
}

/** This machine's clock, each second. */
function useSeconds() {
  const [nowMs, setNowMs] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return nowMs;
}

/** The region with the highest load when the page opened, until somebody chooses another. @param {import('./grid-state.js').GridState} state */
function useFullestRegion(state) {
  const fullest = useRef(/** @type {string | null} */ (null));
  if (fullest.current === null && state.regions !== null) {
    for (const region of state.regions.values()) {
      const before = fullest.current === null ? undefined : state.regions.get(fullest.current);
      if (!before || (region.loadPercent ?? 0) > (before.loadPercent ?? 0)) fullest.current = region.region;
    }
  }
  return fullest.current;
}

function App() {
  const route = useRoute();
  const { state, connection, lastMessageMs, putAlert, retry } = useGrid(route.meterId);
  const nowMs = useSeconds() + state.clockOffsetMs;
  const fullest = useFullestRegion(state);
  const selected = route.region ?? fullest;
  const names = [...(state.regions?.keys() ?? [])];
  const grid = totals(state, names);
  const over = overloaded(state);
  const empty = state.regions !== null && grid.meters === 0;
  const pictureMs = lastMessageMs === null ? null : lastMessageMs + state.clockOffsetMs;
  const incidents = alertCounts(state.alerts);
  const title = pageTitle(incidents, connection.status !== 'live' && pictureMs !== null);
  useEffect(() => {
    document.title = title;
  }, [title]);

  return html`
    <${EngineStrip} engine=${state.engine} incidents=${state.alerts === null ? null : incidents} connection=${connection} nowMs=${nowMs} />
    <${StaleBanner} connection=${connection} pictureMs=${pictureMs} onRetry=${retry} />
    <main id="main" class=${connection.status === 'live' ? '' : 'not-live'}>
      ${empty && state.engine && html`<${FirstReading} ingestUrl=${state.engine.ingestUrl} nowMs=${nowMs} />`}
      <section class="panel area-alerts" aria-labelledby="alerts-title">
        <${AlertPanel}
          state=${state}
          isLive=${connection.status === 'live'}
          pictureMs=${pictureMs}
          alertId=${route.alertId}
          nowMs=${nowMs}
          onOpen=${openAlert}
          onPlace=${goTo}
          onChanged=${putAlert}
        />
      </section>
      <section class="panel area-load" aria-labelledby="load-title">
        <div class="panel-head">
          <h2 id="load-title">Grid load, last hour</h2>
          ${grid.meters > 0 &&
          html`<p class="reporting">
            ${formatCount(grid.metersReporting)} of ${formatCount(grid.meters)} meters reporting${grid.metersSilent > 0 && html`, <strong class="silent">${formatCount(grid.metersSilent)} silent</strong>`}
            ${over.length > 0 && html`, <strong class="over">${over.length === 1 ? over[0].region : `${formatCount(over.length)} regions`} over capacity</strong>`}
          </p>`}
        </div>
        <${GridLoad} state=${state} names=${names} of="all regions" nowMs=${nowMs} height=${190} />
      </section>
      <section class="panel area-anomalies" aria-labelledby="anomalies-title">
        <${AnomalyList} anomalies=${state.anomalies} nowMs=${nowMs} onSelect=${goTo} />
      </section>
      <section class="panel area-regions" aria-labelledby="regions-title">
        <div class="panel-head"><h2 id="regions-title">Regions</h2></div>
        <${RegionBoard} state=${state} selected=${selected} nowMs=${nowMs} onSelect=${goTo} />
      </section>
      <${Detail} key=${`${selected}/${route.meterId}`} state=${state} region=${selected} meterId=${route.meterId} chosen=${route.region !== null} nowMs=${nowMs} />
    </main>
  `;
}

/**
 * The selected region, or the selected meter in it.
 * @param {object} props
 * @param {import('./grid-state.js').GridState} props.state
 * @param {string | null} props.region
 * @param {string | null} props.meterId
 * @param {boolean} props.chosen by somebody, rather than by the page
 * @param {number} props.nowMs
 */
function Detail({ state, region, meterId, chosen, nowMs }) {
  const section = useRef(/** @type {HTMLElement | null} */ (null));
  // A link leads here before the panels above have their content, which would push this one out of sight again.
  const placed = state.regions !== null && state.anomalies !== null;
  useEffect(() => {
    if (chosen && placed) section.current?.scrollIntoView({ block: 'nearest' });
  }, [placed]);
  if (region === null) return null;
  return html`
    <section class=${`panel area-detail ${chosen ? 'chosen' : ''}`} aria-labelledby="detail-title" ref=${section}>
      <div class="panel-head">
        <h2 id="detail-title">${meterId ?? region}</h2>
        ${meterId !== null && html`<a class="back" href=${`#/${encodeURIComponent(region)}`}>← Meters of ${region}</a>`}
      </div>
      ${meterId === null
        ? html`
            <${GridLoad} state=${state} names=${[region]} of=${region} nowMs=${nowMs} height=${120} />
            <${MeterList} region=${region} nowMs=${nowMs} onSelect=${(/** @type {string} */ id) => goTo(region, id)} />
          `
        : state.meter?.meterId === meterId && html`<${MeterPanel} view=${state.meter} anomalies=${state.anomalies} nowMs=${nowMs} />`}
    </section>
  `;
}

const root = /** @type {HTMLElement} */ (document.getElementById('app'));
root.replaceChildren();
render(/** @type {any} */ (html`<${App} />`), root);
