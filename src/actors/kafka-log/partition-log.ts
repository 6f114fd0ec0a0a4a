import type { ControlRecord } from '../shard/log-record.ts';
import type { LogPiece } from './kafka/log-reader.ts';

/** The partition's log, as far as its actor deals with it. */
export interface PartitionLog {
  /** As LogReader.read. */
  read(offset: number): Promise<LogPiece>;
  /** Resolves when the record is in the log; it comes back with what is read. */
  append(record: ControlRecord): Promise<void>;
}

/** Where the log begins and ends: offsets of the first message there is, and behind the last. */
export interface LogBounds {
  begin: number;
  end: number;
}
