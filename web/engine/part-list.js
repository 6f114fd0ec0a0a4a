// @ts-check
import { html } from '../ui.js';
import { CHANNEL_WORDS, SINK_NAMES, SINK_WORDS } from '../engine-strip.js';
import { formatCount, formatDuration } from '../format.js';

/**
 * Everything beside the shards, each with how it is.
 * @param {{ engine: import('./engine-types.js').EngineStatus }} props
 */
export function PartList({ engine: { sinks, alerts, billing, cluster } }) {
  return html`
    <ul class="rows parts">
      ${sinks.map(({ sink, state, lagMs, setAside, problem }) => html`<${Part} key=${sink} name=${SINK_NAMES[sink]} isWell=${state === 'running'} word=${SINK_WORDS[state]} problem=${problem} more=${[lagMs !== null && `${lagMs < 1_000 ? 'under 1 s' : formatDuration(lagMs)} behind`, setAside ? `${formatCount(setAside)} set aside` : '']} />`)}
      ${sinks.length === 0 && html`<li><span>Database and Kafka</span><span class="of">none is connected: SEG_TIMESCALE_URL and SEG_KAFKA_BROKERS name them</span></li>`}
      ${alerts === null
        ? html`<li><span>Alerts</span><span class="of">off</span></li>`
        : html`
            <${Part} name="Alerts" isWell=${alerts.state === 'up'} word=${alerts.state} problem=${alerts.problem} more=${[]} />
            ${alerts.channels.map(({ channel, state }) => html`<${Part} key=${channel} name=${`Messages by ${CHANNEL_WORDS[channel]}`} isWell=${state !== 'failing'} word=${state} problem=${null} more=${[]} />`)}
          `}
      ${billing === null
        ? html`<li><span>Tariffs and bills</span><span class="of">off</span></li>`
        : html`<${Part} name="Tariffs and bills" isWell=${billing.state === 'up' || billing.state === 'idle'} word=${billing.state} problem=${billing.problem} more=${[billing.runsUnderWay ? `${formatCount(billing.runsUnderWay)} runs under way` : '']} />`}
      ${cluster !== null && cluster.nodes.map((node) => html`<${Part} key=${node.nodeId} name=${`Engine ${node.nodeId}`} isWell=${node.answers} word=${node.answers ? 'answers' : 'silent'} problem=${null} more=${[`${formatCount(node.partitions)} partitions`, node.url]} />`)}
    </ul>
  `;
}

/** @param {{ name: string, isWell: boolean, word: string, problem: string | null, more: (string | false)[] }} props */
function Part({ name, isWell, word, problem, more }) {
  return html`<li><span>${name}</span><span><span class=${`tag tag-${word === 'off' || word === 'idle' ? 'calm' : isWell ? 'good' : 'bad'}`}>${word}</span><span class="of"> ${more.filter(Boolean).join(', ')}</span></span>${problem !== null && html`<span class="over">${problem}</span>`}</li>`;
}
