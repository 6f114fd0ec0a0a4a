import { formatDuration, withThousands } from './progress-line.ts';

/** Characters of the bar. */
const BAR_WIDTH = 24;
/** A rate says something after so long. */
const RATE_AFTER_MS = 3_000;

/** `[########----------------]  33 %`. */
export function progressBar(done: number, all: number): string {
  const share = all === 0 ? 1 : Math.min(1, done / all);
  const filled = Math.round(share * BAR_WIDTH);
  return `[${'#'.repeat(filled)}${'-'.repeat(BAR_WIDTH - filled)}] ${String(Math.floor(share * 100)).padStart(3)} %`;
}

/** `1,240/s` and `54s left`, once something can be said of it. */
export function rateParts(left: number, donePerMs: number, watchedMs: number): string[] {
  return watchedMs >= RATE_AFTER_MS && donePerMs > 0 ? [`${withThousands(donePerMs * 1_000)}/s`, `${formatDuration(left / donePerMs)} left`] : [];
}
