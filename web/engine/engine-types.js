// @ts-check
/**
 * Types of GET /api/v1/engine (src/http/engine-port.ts). Types only: nothing imports this file at run time.
 *
 * @typedef {{ shard: number, state: 'starting' | 'up' | 'restarting' | 'down', restarts: number, meters: number | null, journalLagRecords: number | null, checkpointAgeMs: number | null }} ShardStatus
 * @typedef {{ nodeId: string, generation: number, inTouch: boolean, nodes: { nodeId: string, url: string, partitions: number, answers: boolean }[] }} ClusterStatus
 * @typedef {{ state: 'idle' | 'starting' | 'up' | 'restarting' | 'down', problem: string | null, runsUnderWay: number | null }} BillingStatus
 * @typedef {'requests' | 'readings' | 'batches' | 'records' | 'appends' | 'questions' | 'effects' | 'messages' | 'deliveries'} Work
 * @typedef {{ part: string, work: Work, waiting: number, waitingMax: number | null, refused: number | null }} WaitingWork
 * @typedef {import('../wire-types.js').Engine & { log: 'lmdb' | 'kafka', partitions: number, shards: ShardStatus[], cluster: ClusterStatus | null, billing: BillingStatus | null, queues: WaitingWork[] }} EngineStatus
 */

export {};
