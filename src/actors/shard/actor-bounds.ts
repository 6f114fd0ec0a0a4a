/** How often, and how much at once: of what an actor does besides counting, wherever its log lies. */

/** The clock looks for windows to close this often: four times a second costs nothing and keeps a silent meter's windows prompt. */
export const TICK_MS = 250;
/** Meters whose windows a tick closes: some 1 ms of work, which every batch that comes meanwhile waits for, and, when a whole fleet falls silent, as many anomalies. */
export const TICK_METERS_MAX = 256;
/** … and how soon it goes on with the others. */
export const TICK_PAUSE_MS = 2;
/** The regions' live picture moves this often. */
export const REPORT_MS = 500;
/**
 * Rows that have to go into a checkpoint step whatever they take, changes of anomalies and rejected readings: up to 10 µs each. From so many on nothing is counted before the step, so one
 * has these and what a record brings: a tick of a silent fleet all its meters.
 */
export const STEP_ROWS_MAX = 128;
/** Of each table over its bound a step takes away so many old rows besides as many as it brings: what was too much goes, and no step is long for it. */
export const TRIM_STEP_MAX = 512;
/** Bounds on one report; what is over comes with the next. Live parts are bounded by the number of regions. */
export const PARTS_PER_REPORT_MAX = 5_000;
export const ANOMALIES_PER_REPORT_MAX = 1_000;
/** Episodes that wait to be reported; past it they are read from the store by whoever wants them. */
export const UNREPORTED_ANOMALIES_MAX = 5_000;
/** How long nobody is told that some were not reported while there are ever more of them, ms: each time everything is read. */
export const MISSED_ANOMALIES_MS_MAX = 10_000;
/**
 * A checkpoint step takes no further page after so long, ms. Its bound of bytes is some 4 ms of work; a thread that had to wait for a core, or collected garbage,
 * has held up what comes for long enough.
 */
export const STEP_MS_MAX = 5;
/** Between checkpoint steps that are one behind the other because there is much to write: room for the log's commits. */
export const STEP_PAUSE_MS = 10;
/** The log that may be uncovered is measured in so many parts. */
export const JOURNAL_MARKS = 256;
