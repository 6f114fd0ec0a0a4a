import { invariant } from '../../runtime/errors.ts';
import type { ShardJournal } from '../shard/shard-store.ts';

/** The log of a shard that does not write one: what it folds lies in Kafka, and Kafka keeps it as long as its topic says. */
export function followedLog(): ShardJournal {
  return {
    first: 1,
    async start() {},
    append() {
      invariant(false, 'a shard that follows a log appends nothing to its own');
    },
    async commit() {},
    *records() {},
    lastSequence: () => 0,
    keptFrom: (sequence) => sequence,
    release() {},
    spans: () => [],
    sizeBytes: () => 0,
    async close() {},
  };
}
