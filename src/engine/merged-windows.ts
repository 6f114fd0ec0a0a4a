import type { Page } from '../model/queries.ts';

/**
 * One page out of two of the same windows, in order of their start, with cursors that are window numbers. Where both have a window that of `nearer` is taken. What one of them
 * has beyond the other's cursor waits for the next page, or windows in between would be jumped over.
 */
export function mergeWindowPages<Window extends { windowStart: number }>(nearer: Page<Window>, farther: Page<Window>, limit: number, windowMs: number): Page<Window> {
  const bound = Math.min(...[nearer, farther].map(({ nextCursor }) => (nextCursor === null ? Infinity : Number(nextCursor) * windowMs)));
  const byStart = new Map<number, Window>();
  for (const window of [...farther.data, ...nearer.data]) if (window.windowStart < bound) byStart.set(window.windowStart, window);
  const windows = [...byStart.values()].sort((a, b) => a.windowStart - b.windowStart);
  const nextMs = windows[limit]?.windowStart ?? bound;
  return { data: windows.slice(0, limit), nextCursor: nextMs === Infinity ? null : String(nextMs / windowMs) };
}
