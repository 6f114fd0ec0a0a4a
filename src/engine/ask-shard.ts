import type { ShardAnswers, ShardQuery } from '../actors/shard/protocol.ts';

/** Puts a question to one shard; rejects with a retryable OperationalError while it is away. */
export type AskShard = <K extends ShardQuery['kind']>(shard: number, query: Extract<ShardQuery, { kind: K }>) => Promise<ShardAnswers[K]>;
