// @ts-check
import { html } from './ui.js';
import { formatCount, formatDecimal, formatDuration, formatTime, formatZone, zoneId } from './format.js';

/** @type {Record<import('./wire-types.js').Engine['state'], string>} */
const STATE_WORDS = { starting: 'Starting', ready: 'Ready', degraded: 'Degraded', stopping: 'Stopping' };

/**
 * The header: whether the engine is well, whether this page is live, and what time it is.
 *
 * @param {object} props
 * @param {import('./wire-types.js').Engine | null} props.engine
 * @param {import('./alert-state.js').AlertCounts | null} props.incidents null while they are not known
 * @param {import('./wire-types.js').Connection} props.connection
 * @param {number} props.nowMs the engine's clock
 * @param {boolean} [props.isBrief] without the figures of the engine
 * @param {any} [props.children] what leads to the pages
 */
export function EngineStrip({ engine, incidents, connection, nowMs, isBrief = false, children }) {
  const live = connection.status === 'live';
  return html`
    <header class=${`strip ${live ? '' : 'not-live'}`}>
      <h1><img src="/favicon.svg" alt="" width="22" height="22" /> Smart Energy Grid</h1>
      ${children}
      ${engine?.alerts && incidents && html`<${Incidents} counts=${incidents} />`}
      ${engine && html`<${EngineFacts} engine=${engine} live=${live} isBrief=${isBrief} nowMs=${nowMs} />`}
      <div class="moment">
        <p class="clock"><time>${formatTime(nowMs)}</time> <abbr title=${`Times are in ${zoneId()}`}>${formatZone(nowMs)}</abbr></p>
        <p class=${`state connection-${connection.status}`} role="status">${connectionWord(connection)}</p>
      </div>
    </header>
  `;
}

/** After which the page that was turned to is drawn. */
const TURNED_MS = 100;

/** How many alerts nobody has acknowledged, from wherever the page is scrolled to: it leads to them. @param {{ counts: import('./alert-state.js').AlertCounts }} props */
function Incidents({ counts: { open, critical } }) {
  const level = critical > 0 ? 'critical' : open > 0 ? 'high' : 'normal';
  const words = open === 0 ? 'No open alerts' : `${formatCount(open)} open ${open === 1 ? 'alert' : 'alerts'}${critical > 0 ? `, ${formatCount(critical)} critical` : ''}`;
  const lead = () => {
    const focusAlerts = () => {
      const title = document.getElementById('alerts-title');
      title?.scrollIntoView({ block: 'center' });
      title?.focus({ preventScroll: true });
    };
    if (document.getElementById('alerts-title') !== null) return focusAlerts();
    location.hash = '#/';
    setTimeout(focusAlerts, TURNED_MS);
  };
  return html`<button type="button" class=${`incidents level-${level}`} onClick=${lead}>${open > 0 && html`<span aria-hidden="true">${critical > 0 ? '◆' : '▲'}</span> `}${words}</button>`;
}

/** @param {import('./wire-types.js').Connection} connection */
function connectionWord(connection) {
  if (connection.status === 'live') return 'Live';
  return connection.status === 'connecting' ? 'Connecting…' : 'Reconnecting';
}

/**
 * Without a connection the figures are old and nobody knows how the engine is.
 * @param {{ engine: import('./wire-types.js').Engine, live: boolean, isBrief: boolean, nowMs: number }} props
 */
function EngineFacts({ engine, live, isBrief, nowMs }) {
  const up = engine.shards.filter((shard) => shard.state === 'up').length;
  return html`
    <p class=${`state engine-${live ? engine.state : 'unknown'}`} role="status">Engine ${live ? '' : 'was '}${STATE_WORDS[engine.state].toLowerCase()}</p>
    ${!isBrief && html`<dl class="facts">
      <div><dt>Shards up</dt><dd>${up} of ${engine.shards.length}</dd></div>
      <div><dt>Accepted</dt><dd>${formatCount(engine.acceptedPerSecond)} readings/s</dd></div>
      <div class=${engine.rejectedPerSecond > 0 ? 'alarm' : ''}><dt>Rejected</dt><dd>${formatCount(engine.rejectedPerSecond)} readings/s</dd></div>
      <div><dt>Acknowledged, p99</dt><dd>${engine.ackLatencyP99Ms === null ? '–' : `${formatDecimal(engine.ackLatencyP99Ms, 1)} ms`}</dd></div>
      ${engine.sinks.map((sink) => html`<${SinkFact} key=${sink.sink} sink=${sink} />`)}
      ${engine.alerts && html`<${AlertingFact} alerting=${engine.alerts} />`}
      <div class="fact-uptime"><dt>Running for</dt><dd>${formatDuration(nowMs - Date.parse(engine.startedAt))}</dd></div>
    </dl>`}
  `;
}

/** @type {Record<import('./wire-types.js').Alerting['channels'][number]['channel'], string>} */
export const CHANNEL_WORDS = { email: 'e-mail', sms: 'SMS', push: 'push', webhook: 'webhooks', live: 'live stream' };

/**
 * Whether people hear of alerts. What is well is not spoken of.
 * @param {{ alerting: import('./wire-types.js').Alerting }} props
 */
function AlertingFact({ alerting }) {
  const failing = alerting.channels.filter(({ state }) => state === 'failing').map(({ channel }) => CHANNEL_WORDS[channel]);
  if (alerting.state === 'up' && failing.length === 0) return null;
  const words = alerting.state === 'up' ? `${failing.join(', ')} ${failing.length === 1 ? 'fails' : 'fail'}` : 'restarting';
  return html`<div class="alarm" title=${alerting.problem ?? ''}><dt>Notifications</dt><dd>${words}</dd></div>`;
}

/** @type {Record<import('./wire-types.js').Sink['sink'], string>} */
export const SINK_NAMES = { timescale: 'TimescaleDB', kafka: 'Kafka' };
/** @type {Record<import('./wire-types.js').Sink['state'], string>} */
export const SINK_WORDS = { connecting: 'connecting', running: 'up to date', waiting: 'away', failed: 'refuses', down: 'restarting' };
/** A sink that is well takes things within this. */
const LAG_SHOWN_MS = 2_000;

/**
 * A system beside the engine: how it is, how far it is behind, and what it did not take.
 * @param {{ sink: import('./wire-types.js').Sink }} props
 */
function SinkFact({ sink }) {
  const { lagMs, setAside } = sink;
  const isBehind = lagMs !== null && lagMs > LAG_SHOWN_MS;
  const words = [
    sink.state === 'running' && isBehind ? null : SINK_WORDS[sink.state],
    isBehind ? `${formatDuration(lagMs)} behind` : null,
    setAside ? `${formatCount(setAside)} set aside` : null,
  ].filter((word) => word !== null);
  return html`<div class=${sink.state !== 'running' || setAside ? 'alarm' : ''} title=${sink.problem ?? ''}><dt>${SINK_NAMES[sink.sink]}</dt><dd>${words.join(', ')}</dd></div>`;
}

/**
 * Says how old the picture is, and when the next try comes. `pictureMs`: when the last message came, by the engine's clock.
 * @param {{ connection: import('./wire-types.js').Connection, pictureMs: number | null, onRetry: () => void }} props
 */
export function StaleBanner({ connection, pictureMs, onRetry }) {
  if (connection.status === 'live' || (connection.status === 'connecting' && pictureMs === null)) return null;
  const picture = pictureMs === null ? 'The engine does not answer.' : `No connection. This is the picture of ${formatTime(pictureMs)}.`;
  const seconds = connection.status === 'waiting' ? Math.max(0, Math.ceil((connection.retryAtMs - Date.now()) / 1000)) : 0;
  return html`
    <div class="stale">
      <p>${picture} ${connection.status === 'waiting' ? `Next try in ${seconds} s.` : 'Trying…'} If this lasts, check that the engine is running (<code>npm start</code>).</p>
      <button type="button" onClick=${onRetry}>Try now</button>
    </div>
  `;
}
