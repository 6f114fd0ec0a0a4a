import { ShardStore } from '../../src/actors/shard/shard-store.ts';
import { Journal } from '../../src/runtime/journal.ts';
import { MemoryDisk } from '../../src/runtime/memory-disk.ts';

/** A few batches of a test: so that logs have several segments. */
export const SEGMENT_BYTES_MAX = 3_000;

/** A shard's tables and log on a disk in memory. */
export function memoryShardStore(disk = new MemoryDisk(), segmentBytesMax = SEGMENT_BYTES_MAX): ShardStore {
  return new ShardStore(disk.tables, new Journal(disk, { label: 'test', segmentBytesMax }));
}
