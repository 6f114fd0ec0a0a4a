import type { RegionLivePart, RegionPart, ShardQuery } from '../actors/shard/protocol.ts';
import type { Anomaly } from '../model/anomaly.ts';

/** What the nodes of a cluster ask of each other's gateways, as MessagePack over POST. Between nodes that run the same engine: no promise to anybody else. */

export const ASK_PATH = '/internal/v1/ask';
export const REPORTS_PATH = '/internal/v1/reports';
/** Carries the secret that all nodes share. */
export const SECRET_HEADER = 'seg-cluster-secret';
export const NODE_CONTENT_TYPE = 'application/msgpack';

/** One question to some partitions of one node. */
export interface NodeQuestion {
  query: ShardQuery;
  partitions: number[];
}

/** Of one partition; in order of the questions, then of their partitions. */
export type NodeAnswer = { ok: unknown } | { failed: { code: string; message: string; retryable: boolean } };

/** Where a node stopped to listen to another's reports. */
export interface ReportPosition {
  /** The life of the engine that gave it. */
  life: string;
  at: number;
}

/** What a node's partitions have reported since a position. */
export interface NodeReports {
  position: ReportPosition;
  /** Not everything that was reported since the position is here, or none was given: what is stored has to be asked for. */
  isGap: boolean;
  /** Newest live parts of each partition that has reported since. */
  live: { partition: number; regions: RegionLivePart[] }[];
  /** In the order in which they were reported. */
  changes: { partition: number; parts: RegionPart[]; anomalies: Anomaly[]; anomaliesMissed?: true }[];
}

/** A node as the others see it. */
export interface NodePort {
  /** Answers for partitions that are ready here; `unavailable` for others: nothing is passed on to a third node. */
  ask(questions: readonly NodeQuestion[]): Promise<NodeAnswer[]>;
  reports(since: ReportPosition | null): NodeReports;
}

/** Questions that only look; the others move a consumer's place. */
export const ASKABLE: ReadonlySet<ShardQuery['kind']> = new Set<ShardQuery['kind']>(['meterWindows', 'meterWindowBlock', 'meter', 'meters', 'anomalies', 'deadLetters', 'regionParts', 'regionPartsByKey', 'energyMeters', 'meterRegion', 'determinants', 'energyQuarters']);
