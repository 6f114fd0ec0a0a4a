/** What a sender says before its result, one JSON object a line. */

/** A part of the measured time. */
export interface LoadInterval {
  event: 'interval';
  /** Epoch ms of its end. */
  endedMs: number;
  /** Its length. */
  measuredMs: number;
  /** Acknowledged in it. */
  readingsPerSecond: number;
  /** Of the requests answered with 202 in it, in ms; null when there was none. */
  latencyMs: { p50: number; p99: number; max: number } | null;
  /** Requests due by its end and not sent yet. */
  overdue: number;
  /** Answers other than 202, by status, since the load began. */
  errors: Record<string, number>;
}

/** A flood has sent its last request; answers are still to come. */
export interface SendingEnded {
  event: 'sendingEnded';
  /** Epoch ms. */
  atMs: number;
  /** Epoch ms of its newest reading: a load on the same meters has to be newer. */
  newestEventMs: number;
}

/** All readers of an audience are there. */
export interface AudienceGathered {
  event: 'gathered';
}

export type LoadEvent = LoadInterval | SendingEnded | AudienceGathered;

/** For the main part of a sender's script. */
export function printEvent({ event, ...facts }: LoadEvent): void {
  // `event` comes first: load-process.ts tells events from the result by it.
  process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`);
}
