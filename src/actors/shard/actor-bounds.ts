/** How often, and how much at once: of what an actor does besides counting, wherever its log lies. */

/** The clock looks for windows to close this often: four times a second costs nothing and keeps a silent meter's windows prompt. */
export const TICK_MS = 250;
/** Meters whose windows a tick closes: 3 to 5 ms of work, which every batch that comes meanwhile waits for. */
export const TICK_METERS_MAX = 1_024;
/** … and how soon it goes on with the others. */
export const TICK_PAUSE_MS = 10;
/** The regions' live picture moves this often. */
export const REPORT_MS = 500;
/** A pass over removed rows takes at most this many, so that no step is long. */
export const TRIM_STEP_MAX = 2_000;
/** Bounds on one report; what is over comes with the next. Live parts are bounded by the number of regions. */
export const PARTS_PER_REPORT_MAX = 5_000;
export const ANOMALIES_PER_REPORT_MAX = 1_000;
/**
 * A checkpoint step takes no further page after so long, ms. Its bound of bytes is some 4 ms of work; a thread that had to wait for a core, or collected garbage,
 * has held up what comes for long enough.
 */
export const STEP_MS_MAX = 5;
/** Between checkpoint steps that are one behind the other because there is much to write: room for the log's commits. */
export const STEP_PAUSE_MS = 10;
/** The log that may be uncovered is measured in so many parts. */
export const JOURNAL_MARKS = 256;
