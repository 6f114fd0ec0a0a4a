// @ts-check
import { html } from '../ui.js';
import { SINK_NAMES } from '../engine-strip.js';
import { formatCount } from '../format.js';

/** @type {Record<import('./engine-types.js').Work, string>} */
const WORK_WORDS = {
  requests: 'requests not answered',
  readings: 'readings to be sent to shards',
  batches: 'batches under way',
  records: 'records of the log to be counted',
  appends: 'batches to be written to the log',
  questions: 'questions',
  effects: 'questions of what is beside the engine',
  messages: 'messages',
  deliveries: 'messages to people, those for later included',
};

/** What waits in each part. @param {{ queues: import('./engine-types.js').WaitingWork[] }} props */
export function QueueTable({ queues }) {
  return html`
    <table class="still queues">
      <thead><tr><th scope="col">Part</th><th scope="col">What</th><th scope="col" class="number">Waiting</th><th scope="col" class="number">At most</th><th scope="col" class="number">Refused</th></tr></thead>
      <tbody>
        ${queues.map(
          ({ part, work, waiting, waitingMax, refused }) => html`
            <tr key=${`${part} ${work}`}>
              <th scope="row">${/** @type {Record<string, string>} */ (SINK_NAMES)[part] ?? part}</th>
              <td>${WORK_WORDS[work]}</td>
              <td class="number">${formatCount(waiting)}</td>
              <td class="number">${waitingMax === null ? '–' : formatCount(waitingMax)}</td>
              <td class=${`number ${(refused ?? 0) > 0 ? 'silent' : ''}`}>${refused === null ? '–' : formatCount(refused)}</td>
            </tr>
          `,
        )}
      </tbody>
    </table>
  `;
}
