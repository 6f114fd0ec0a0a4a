// @ts-check
/** Rows drawn beyond each edge: what a flick of the wheel brings before the next picture. */
const SPARE_ROWS = 8;

/**
 * Which rows of a long list are drawn. Pure.
 * @param {{ top: number, height: number }} scroll pixels @param {number} count rows there are @param {number} rowPx
 * @returns {{ first: number, last: number }} `last` is not drawn any more
 */
export function shownRows({ top, height }, count, rowPx) {
  const first = Math.max(0, Math.floor(top / rowPx) - SPARE_ROWS);
  return { first: Math.min(first, Math.max(0, count - 1)), last: Math.min(count, Math.ceil((top + height) / rowPx) + SPARE_ROWS) };
}
