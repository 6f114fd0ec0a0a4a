import type { ShardAnswers, ShardQuery } from '../actors/shard/protocol.ts';

/** What of a shard's answer goes over to the asker's thread instead of being copied. */
export function memoryOf({ kind }: ShardQuery, answer: ShardAnswers[ShardQuery['kind']]): ArrayBuffer[] {
  if (answer === null) return [];
  if (kind === 'effects') return [(answer as ShardAnswers['effects']).windows];
  if (kind === 'meterWindowBlock') return [(answer as NonNullable<ShardAnswers['meterWindowBlock']>).windows.buffer];
  return [];
}
