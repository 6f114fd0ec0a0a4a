/**
 * Names of things: meters, regions, partitions. An id is 1–64 bytes of `[A-Za-z0-9._:-]`, so its bytes are its
 * characters and it needs no decoding on the hot path.
 */

export type MeterId = string & { readonly __brand: 'MeterId' };
export type RegionId = string & { readonly __brand: 'RegionId' };
/** 0 … partitionCount − 1; owned by exactly one shard. */
export type Partition = number & { readonly __brand: 'Partition' };
/** Milliseconds since 1970-01-01T00:00:00Z. */
export type EpochMs = number & { readonly __brand: 'EpochMs' };

/** Longest meterId, region and readingId, in bytes (DESIGN: 1–64 characters). */
export const ID_BYTES_MAX = 64;

/** 1 where the byte may stand in an id, else 0. Indexed by byte value. */
export const ID_BYTE_ALLOWED: Uint8Array = (() => {
  const allowed = new Uint8Array(256);
  for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-') {
    allowed[char.charCodeAt(0)] = 1;
  }
  return allowed;
})();

export const ID_PATTERN = /^[A-Za-z0-9._:-]{1,64}$/;

/** True when the text is a well-formed meterId or region. */
export function isId(text: string): boolean {
  return ID_PATTERN.test(text);
}

/** The text as a MeterId, or null when it is not one. */
export function asMeterId(text: string): MeterId | null {
  return isId(text) ? (text as MeterId) : null;
}

const MURMUR_SEED = 0x9747b28c;
const MURMUR_M = 0x5bd1e995;

/**
 * Kafka's murmur2 over `bytes[start, end)`: the hash of its default partitioner, so that a record keyed by meterId and
 * produced by anybody lands in the partition the engine computes. Returns the unsigned 32-bit hash, sign bit still set.
 * Source: org.apache.kafka.common.utils.Utils.murmur2.
 */
export function murmur2(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  let h = MURMUR_SEED ^ length;
  let i = start;
  const blocksEnd = start + (length & ~3);
  while (i < blocksEnd) {
    let k = bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    k = Math.imul(k, MURMUR_M);
    k ^= k >>> 24;
    k = Math.imul(k, MURMUR_M);
    h = Math.imul(h, MURMUR_M) ^ k;
    i += 4;
  }
  const tail = length & 3;
  if (tail === 3) h ^= bytes[i + 2] << 16;
  if (tail >= 2) h ^= bytes[i + 1] << 8;
  if (tail >= 1) {
    h ^= bytes[i];
    h = Math.imul(h, MURMUR_M);
  }
  h ^= h >>> 13;
  h = Math.imul(h, MURMUR_M);
  h ^= h >>> 15;
  return h >>> 0;
}

/** Kafka's default partition of a key's murmur2 hash: sign bit cleared, modulo the partition count. */
export function partitionOfHash(hash: number, partitionCount: number): Partition {
  return ((hash & 0x7fffffff) % partitionCount) as Partition;
}

/** The partition that owns this meter. */
export function partitionOf(meterId: string, partitionCount: number): Partition {
  const bytes = Buffer.from(meterId, 'latin1');
  return partitionOfHash(murmur2(bytes, 0, bytes.length), partitionCount);
}

/** The shard that owns a partition when `shardCount` shards share all partitions. */
export function shardOfPartition(partition: Partition, shardCount: number): number {
  return partition % shardCount;
}

/** All partitions of one shard, ascending. */
export function partitionsOfShard(shard: number, shardCount: number, partitionCount: number): Partition[] {
  const partitions: Partition[] = [];
  for (let partition = shard; partition < partitionCount; partition += shardCount) partitions.push(partition as Partition);
  return partitions;
}
