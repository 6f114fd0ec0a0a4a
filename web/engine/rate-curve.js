// @ts-check
import { html, useEffect, useState } from '../ui.js';
import { formatCount, formatTime } from '../format.js';
import { LoadCurve } from '../load-curve.js';

/** Seconds that are kept while the page is open. */
const SPAN_S = 300;

/**
 * Readings taken in a second, since the page was opened.
 * @param {{ engine: import('../wire-types.js').Engine | null }} props
 */
export function RateCurve({ engine }) {
  const [points, setPoints] = useState(/** @type {{ at: number, accepted: number, rejected: number }[]} */ ([]));
  const [hovered, setHovered] = useState(/** @type {number | null} */ (null));
  useEffect(() => {
    if (engine === null) return;
    const at = Date.parse(engine.now) / 1000;
    setPoints((before) => [...before.filter((point) => point.at > at - SPAN_S && point.at < at), { at, accepted: engine.acceptedPerSecond, rejected: engine.rejectedPerSecond }]);
  }, [engine]);
  if (points.length < 2) return html`<p class="note">The curve of readings begins now…</p>`;
  const last = points[points.length - 1];
  const at = hovered === null ? last : (points[hovered] ?? last);
  return html`
    <div class="load-figures"><h3>Readings a second</h3><p class="figure figure-end">${formatTime(at.at * 1000)} <strong>${formatCount(at.accepted)}</strong> accepted, ${formatCount(at.rejected)} rejected</p></div>
    <${LoadCurve}
      label=${`Readings a second, now ${formatCount(last.accepted)} accepted and ${formatCount(last.rejected)} rejected`}
      seconds=${points.map((point) => point.at)}
      series=${[{ values: points.map((point) => point.rejected), color: '--bad' }, { values: points.map((point) => point.accepted), color: '--accent', fill: '--accent-wash' }]}
      range=${[last.at - SPAN_S, last.at]}
      unit=" "
      height=${120}
      onHover=${setHovered}
    />
  `;
}
