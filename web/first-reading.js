// @ts-check
import { html, useState } from './ui.js';

/**
 * What to do in front of an empty grid: the command that sends the first reading.
 * @param {{ ingestUrl: string, nowMs: number }} props
 */
export function FirstReading({ ingestUrl, nowMs }) {
  const [sentAt] = useState(() => new Date(nowMs).toISOString());
  const [copied, setCopied] = useState(false);
  const reading = JSON.stringify({ meterId: 'meter-1', region: 'region-01', timestamp: sentAt, powerKw: 1.2 });
  const command = `curl -X POST ${ingestUrl} \\\n  -H 'content-type: application/json' \\\n  -d '${reading}'`;
  return html`
    <section class="panel first-reading" aria-labelledby="first-title">
      <h2 id="first-title">No readings yet. Send one:</h2>
      <pre tabindex="0"><code>${command}</code></pre>
      <p>
        ${navigator.clipboard &&
        html`<button type="button" onClick=${() => navigator.clipboard.writeText(command).then(() => setCopied(true), () => setCopied(false))}>
            ${copied ? 'Copied' : 'Copy the command'}
          </button> `}
        Or let a hundred simulated meters do it: <code>npm run seg -- simulate</code>
      </p>
    </section>
  `;
}
