import { toWireError } from '../../runtime/wire-error.ts';
import type { SinkWriter } from './protocol.ts';

/** What a pump says of itself. */

/** `waiting`: for a back-off to pass. `failed`: the error will not pass by itself; tried again every FAILED_RETRY_MS all the same. */
export type SinkState = 'connecting' | 'running' | 'waiting' | 'failed';

export interface SinkError {
  code: string;
  message: string;
}

/** Counts are since the pump was made. */
export interface LaneFigures {
  shard: number;
  state: SinkState;
  /** Since everything that the shard had was last known to be written. */
  positionAgeMs: number;
  /** The same, but 0 while nothing is known to be unwritten: the oldest unwritten thing is at most this old, or older than the pump. */
  lagMs: number;
  /** Batches in memory, one that is being read included: two at most. */
  batchesHeld: number;
  batches: number;
  /** Rows or messages written. */
  rows: number;
  setAside: number;
  /** Reads, questions for regional windows and writes that failed. */
  failures: number;
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
}

export function describeError(error: unknown): SinkError {
  const { code, message } = toWireError(error);
  return { code, message };
}

const FROM_BAD_TO_GOOD: readonly SinkState[] = ['failed', 'waiting', 'connecting', 'running'];

export function worstOf(states: readonly SinkState[]): SinkState {
  return FROM_BAD_TO_GOOD.find((state) => states.includes(state)) ?? 'running';
}
