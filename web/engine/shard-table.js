// @ts-check
import { html } from '../ui.js';
import { formatCount, formatDuration } from '../format.js';

/** Snapshots come every half minute; a shard whose last is far older has trouble writing. */
const OLD_CHECKPOINT_MS = 180_000;

/** @param {{ shards: import('./engine-types.js').ShardStatus[] }} props */
export function ShardTable({ shards }) {
  return html`
    <table class="still">
      <thead><tr><th scope="col">Shard</th><th scope="col">State</th><th scope="col" class="number">Meters</th><th scope="col" class="number">Not in a snapshot</th><th scope="col" class="number">Last snapshot</th></tr></thead>
      <tbody>
        ${shards.map(
          ({ shard, state, restarts, meters, journalLagRecords, checkpointAgeMs }) => html`
            <tr key=${shard}>
              <th scope="row">${shard}</th>
              <td><span class=${`tag tag-${state === 'up' ? 'good' : 'bad'}`}>${state}</span>${restarts > 0 && html`<span class="under">${formatCount(restarts)} restarts</span>`}</td>
              <td class="number">${meters === null ? '–' : formatCount(meters)}</td>
              <td class="number">${journalLagRecords === null ? '–' : `${formatCount(journalLagRecords)} records`}</td>
              <td class=${`number ${(checkpointAgeMs ?? 0) > OLD_CHECKPOINT_MS ? 'silent' : ''}`}>${checkpointAgeMs === null ? 'none yet' : `${formatDuration(checkpointAgeMs)} ago`}</td>
            </tr>
          `,
        )}
      </tbody>
    </table>
  `;
}
