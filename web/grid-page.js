// @ts-check
import { html, useEffect, useMemo, useRef } from './ui.js';
import { AlertPanel } from './alert-panel.js';
import { AnomalyList } from './anomaly-list.js';
import { FirstReading } from './first-reading.js';
import { ForecastCurve, RegionForecast } from './forecast-panel.js';
import { formatCount } from './format.js';
import { GridLoad } from './grid-load.js';
import { overloaded, totals } from './grid-state.js';
import { forecastOfAll, useForecasts } from './load-forecast.js';
import { MeterList } from './meter-list.js';
import { MeterPanel } from './meter-panel.js';
import { RegionBoard } from './region-board.js';
import { RegistryBrief } from './registry/registry-entry.js';
import { goTo, openAlert, pageHash } from './route.js';

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

/**
 * The grid at a glance: alerts, load, anomalies, regions, and the region or meter that is selected.
 *
 * @param {object} props
 * @param {import('./grid-state.js').GridState} props.state
 * @param {import('./route.js').Route} props.route
 * @param {boolean} props.isLive
 * @param {number | null} props.pictureMs when the last message came, by the engine's clock
 * @param {number} props.nowMs
 * @param {(alert: import('./wire-types.js').Alert) => void} props.onAlertChanged
 */
export function GridPage({ state, route, isLive, pictureMs, nowMs, onAlertChanged }) {
  const fullest = useFullestRegion(state);
  const selected = route.region ?? fullest;
  const names = [...(state.regions?.keys() ?? [])];
  const grid = totals(state, names);
  const over = overloaded(state);
  const metered = names.filter((name) => (state.regions?.get(name)?.meters ?? 0) > 0);
  const forecasts = useForecasts(metered);
  const { capacityKw } = totals(state, metered);
  // The page is drawn anew with each load that changes, and this has not changed.
  const ahead = useMemo(() => {
    const forecast = metered.length === 0 ? null : forecastOfAll(metered.map((name) => forecasts.get(name)));
    return forecast !== null && html`<${ForecastCurve} of="all regions" forecast=${forecast} capacityKw=${capacityKw} height=${120} />`;
  }, [metered.join(), forecasts, capacityKw]);
  const isEmpty = state.regions !== null && grid.meters === 0;
  return html`
    ${isEmpty && state.engine && html`<${FirstReading} ingestUrl=${state.engine.ingestUrl} nowMs=${nowMs} />`}
    <section class="panel area-alerts" aria-labelledby="alerts-title">
      <${AlertPanel} state=${state} isLive=${isLive} pictureMs=${pictureMs} alertId=${route.alertId} nowMs=${nowMs} onOpen=${openAlert} onPlace=${goTo} onChanged=${onAlertChanged} />
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
      ${ahead}
    </section>
    <section class="panel area-anomalies" aria-labelledby="anomalies-title">
      <${AnomalyList} anomalies=${state.anomalies} nowMs=${nowMs} onSelect=${goTo} />
    </section>
    <section class="panel area-regions" aria-labelledby="regions-title">
      <div class="panel-head"><h2 id="regions-title">Regions</h2></div>
      <${RegionBoard} state=${state} selected=${selected} nowMs=${nowMs} forecasts=${forecasts} onSelect=${goTo} />
    </section>
    <${Detail} key=${`${selected}/${route.meterId}`} state=${state} region=${selected} meterId=${route.meterId} chosen=${route.region !== null} nowMs=${nowMs} />
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
        ${meterId !== null && html`<p class="links"><a href=${pageHash('home', meterId)}>As its household sees it</a><a class="back" href=${`#/${encodeURIComponent(region)}`}>← Meters of ${region}</a></p>`}
      </div>
      ${meterId === null
        ? html`
            <${GridLoad} state=${state} names=${[region]} of=${region} nowMs=${nowMs} height=${120} />
            <${RegionForecast} region=${region} capacityKw=${state.regions?.get(region)?.capacityKw ?? null} />
            <${MeterList} region=${region} nowMs=${nowMs} onSelect=${(/** @type {string} */ id) => goTo(region, id)} />
          `
        : state.meter?.meterId === meterId && html`<${MeterPanel} view=${state.meter} anomalies=${state.anomalies} nowMs=${nowMs} />`}
      ${meterId !== null && html`<${RegistryBrief} meterId=${meterId} />`}
    </section>
  `;
}
