// @ts-check
import { html, useEffect, useRef, useState } from '../ui.js';
import { getJson } from '../api.js';
import { formatCount } from '../format.js';
import { EmptyNote, ErrorNote, LoadingNote } from '../notes.js';
import { goTo } from '../route.js';
import { MeterLine } from './meter-line.js';
import { shownRows } from './row-window.js';

/** Meters a question: some screens of them. */
const PAGE_ROWS = 200;
/** Of layout.css: a line is so high whatever stands in it. */
export const ROW_PX = 34;

/**
 * A list of any length, of which only what is seen is drawn and only what was scrolled to is fetched. Arrow keys, Page Up and Down, Home and End walk it. Mount it anew (key) for another region.
 * @param {{ region: string | null, total: number, nowMs: number }} props `total`: how many there are in all
 */
export function MeterScroll({ region, total, nowMs }) {
  const { rows, hasMore, error, isLoading, more } = useMeters(region);
  const [scroll, setScroll] = useState({ top: 0, height: 600 });
  const [at, setAt] = useState(0);
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const { first, last } = shownRows(scroll, rows.length, ROW_PX);
  useEffect(() => {
    if (hasMore && !isLoading && error === null && last >= rows.length - 20) more();
  });
  useEffect(() => {
    if (box.current) setScroll({ top: box.current.scrollTop, height: box.current.clientHeight });
  }, [rows.length === 0]);
  if (rows.length === 0 && error !== null) return html`<${ErrorNote} error=${error} onRetry=${more} />`;
  if (rows.length === 0 && (isLoading || hasMore)) return html`<${LoadingNote} what="meters" />`;
  if (rows.length === 0) return html`<${EmptyNote}>No meter has sent a reading yet.<//>`;

  /** @param {number} to */
  const walk = (to) => {
    const next = Math.max(0, Math.min(rows.length - 1, to));
    const element = box.current;
    if (element === null) return;
    if (next * ROW_PX < element.scrollTop) element.scrollTop = next * ROW_PX;
    if ((next + 1) * ROW_PX > element.scrollTop + element.clientHeight) element.scrollTop = (next + 1) * ROW_PX - element.clientHeight;
    setScroll({ top: element.scrollTop, height: element.clientHeight });
    setAt(next);
    requestAnimationFrame(() => /** @type {HTMLElement | null} */ (element.querySelector(`[data-row="${next}"] a`))?.focus({ preventScroll: true }));
  };
  const screen = Math.max(1, Math.floor(scroll.height / ROW_PX) - 1);
  /** @type {Record<string, () => void>} */
  const keys = { ArrowDown: () => walk(at + 1), ArrowUp: () => walk(at - 1), PageDown: () => walk(at + screen), PageUp: () => walk(at - screen), Home: () => walk(0), End: () => walk(rows.length - 1) };
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  };
  return html`
    <div
      class="meter-scroll" role="table" aria-label="Meters" aria-rowcount=${Math.max(total, rows.length)} ref=${box}
      onScroll=${(/** @type {any} */ event) => setScroll({ top: event.currentTarget.scrollTop, height: event.currentTarget.clientHeight })}
      onKeyDown=${pressed}
    >
      <div class="meter-line head" role="row">${['Meter', 'Region', 'Health', 'kW', 'Last reading'].map((words, i) => html`<span key=${words} role="columnheader" class=${i > 2 ? 'number' : ''}>${words}</span>`)}</div>
      <div role="rowgroup" class="meter-sheet" style=${{ height: `${rows.length * ROW_PX}px` }}>
        ${rows.slice(first, last).map(
          (meter, i) => html`
            <${MeterLine} key=${meter.meterId} meter=${meter} row=${first + i} topPx=${(first + i) * ROW_PX} isCurrent=${first + i === at} nowMs=${nowMs} onOpen=${() => goTo(meter.region, meter.meterId)} onFocus=${() => setAt(first + i)} />
          `,
        )}
      </div>
    </div>
    <p class="note tight" role="status">
      ${error !== null ? html`${error} <button type="button" onClick=${more}>Try again</button>` : `${formatCount(rows.length)} of ${formatCount(Math.max(total, rows.length))} loaded${hasMore ? '; more come as you scroll' : ''}`}
    </p>
  `;
}

/** @param {string | null} region */
function useMeters(region) {
  const [rows, setRows] = useState(/** @type {import('../wire-types.js').MeterSummary[]} */ ([]));
  const [error, setError] = useState(/** @type {string | null} */ (null));
  const [isLoading, setLoading] = useState(false);
  const cursor = useRef(/** @type {string | null | undefined} */ (undefined));
  const isUnderWay = useRef(false);
  const more = async () => {
    if (isUnderWay.current || cursor.current === null) return;
    isUnderWay.current = true;
    setLoading(true);
    setError(null);
    try {
      const page = /** @type {import('../wire-types.js').Page<import('../wire-types.js').MeterSummary>} */ (await getJson('/meters', { region, limit: String(PAGE_ROWS), cursor: cursor.current ?? null }));
      cursor.current = page.nextCursor;
      setRows((before) => [...before, ...page.data]);
    } catch (refused) {
      setError(/** @type {Error} */ (refused).message);
    }
    isUnderWay.current = false;
    setLoading(false);
  };
  useEffect(() => void more(), []);
  return { rows, hasMore: cursor.current !== null, error, isLoading, more };
}
