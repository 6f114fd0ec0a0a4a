import { toWireError } from '../../runtime/wire-error.ts';
import type { SinkWriter } from './protocol.ts';

/** What a pump says of itself. */

/** `waiting`: for a back-off to pass. `failed`: the error will not pass by itself; tried again every FAILED_RETRY_MS all the same. */
export type SinkState = 'connecting' | 'running' | 'waiting' | 'failed';

export interface SinkError {
  code: string;
  message: string;
}

/** What a lane counts, since the pump was made. */
export interface LaneTotals {
  batches: number;
  /** Rows or messages written. */
  rows: number;
  setAside: number;
  /** Reads, questions for regional windows and writes that failed. */
  failures: number;
}

export const LANE_TOTALS = ['batches', 'rows', 'setAside', 'failures'] as const satisfies (keyof LaneTotals)[];

export interface LaneFigures extends LaneTotals {
  shard: number;
  state: SinkState;
  /** Since everything that the shard had was last known to be written. */
  positionAgeMs: number;
  /** The same, but 0 while nothing is known to be unwritten: the oldest unwritten thing is at most this old, or older than the pump. */
  lagMs: number;
  /** Batches in memory, one that is being read included: two at most. */
  batchesHeld: number;
}

export interface SinkFigures {
  sink: SinkWriter['name'];
  /** The worst of the shards' states, or the connection's while there is none. */
  state: SinkState;
  /** The longest of the shards'. */
  lagMs: number;
  openFailures: number;
  /** null before the first; stays after it is over. */
  lastError: SinkError | null;
  shards: LaneFigures[];
  /** Of shards that are another engine's now. */
  gone: LaneTotals;
}

/** Over all shards, those that have gone as well. */
export function totalOf({ shards, gone }: Pick<SinkFigures, 'shards' | 'gone'>, total: keyof LaneTotals): number {
  return shards.reduce((sum, lane) => sum + lane[total], gone[total]);
}

/** Those of two pumps to one system, of which each moves some of the effects. */
export function joinFigures(first: SinkFigures, second: SinkFigures): SinkFigures {
  const gone = { ...first.gone };
  for (const total of LANE_TOTALS) gone[total] += second.gone[total];
  return {
    sink: first.sink,
    state: worstOf([first.state, second.state]),
    lagMs: Math.max(first.lagMs, second.lagMs),
    openFailures: first.openFailures + second.openFailures,
    lastError: first.state === 'running' && second.state !== 'running' ? second.lastError : first.lastError,
    shards: [...first.shards, ...second.shards],
    gone,
  };
}

export function describeError(error: unknown): SinkError {
  const { code, message } = toWireError(error);
  return { code, message };
}

const FROM_BAD_TO_GOOD: readonly SinkState[] = ['failed', 'waiting', 'connecting', 'running'];

export function worstOf(states: readonly SinkState[]): SinkState {
  return FROM_BAD_TO_GOOD.find((state) => states.includes(state)) ?? 'running';
}
