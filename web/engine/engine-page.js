// @ts-check
import { html } from '../ui.js';
import { getJson } from '../api.js';
import { formatCount, formatDecimal, formatDuration } from '../format.js';
import { ErrorNote, LoadingNote } from '../notes.js';
import { useRemote } from '../remote-data.js';
import { PartList } from './part-list.js';
import { QueueTable } from './queue-table.js';
import { RateCurve } from './rate-curve.js';
import { RejectedList } from './rejected-list.js';
import { ShardTable } from './shard-table.js';

const REFRESH_MS = 2_000;

/**
 * How the engine is: what it takes in, how far its parts are behind, and what is beside it.
 * @param {{ state: import('../grid-state.js').GridState, nowMs: number }} props
 */
export function EnginePage({ state, nowMs }) {
  const { data, error, refresh } = useRemote('', (signal) => /** @type {Promise<import('./engine-types.js').EngineStatus>} */ (getJson('/engine', {}, signal)), REFRESH_MS);
  return html`
    <section class="panel area-list" aria-labelledby="engine-title">
      <div class="panel-head"><h2 id="engine-title">Engine</h2>${data !== null && html`<p class="reporting">version ${data.version}, running for ${formatDuration(nowMs - Date.parse(data.startedAt))}</p>`}</div>
      ${error !== null && html`<${ErrorNote} error=${error} onRetry=${refresh} />`}
      ${data === null && error === null && html`<${LoadingNote} what="the engine" />`}
      ${data !== null &&
      html`
        <dl class="facts meter-facts">
          <div><dt>Accepted</dt><dd class="big">${formatCount(data.acceptedPerSecond)}<span class="of"> /s</span></dd></div>
          <div class=${data.rejectedPerSecond > 0 ? 'alarm' : ''}><dt>Rejected</dt><dd class="big">${formatCount(data.rejectedPerSecond)}<span class="of"> /s</span></dd></div>
          <div><dt>Acknowledged, p99</dt><dd class="big">${data.ackLatencyP99Ms === null ? '–' : formatDecimal(data.ackLatencyP99Ms, 1)}<span class="of"> ms</span></dd></div>
          <div><dt>Meters</dt><dd>${formatCount(data.meters)}</dd></div>
          <div><dt>Readings in all</dt><dd>${formatCount(data.readingsAccepted)}</dd></div>
          <div><dt>Log</dt><dd>${data.log === 'kafka' ? 'Kafka' : 'LMDB'}<span class="of">, ${data.partitions} partitions</span></dd></div>
        </dl>
        <${RateCurve} engine=${state.engine} />
        <h3>Shards</h3>
        <${ShardTable} shards=${data.shards} />
        <h3>Queues</h3>
        <${QueueTable} queues=${data.queues} />
      `}
    </section>
    <section class="panel area-opened" aria-labelledby="beside-title">
      <div class="panel-head"><h2 id="beside-title">Parts and sinks</h2></div>
      ${data !== null && html`<${PartList} engine=${data} />`}
      <${RejectedList} nowMs=${nowMs} />
    </section>
  `;
}
