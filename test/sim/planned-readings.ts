import type { BodyFormat } from '../../src/actors/ingest/protocol.ts';
import type { OracleReading } from '../oracle/window-oracle.ts';

/** What clients of a run send, as its plan says. */

/** Every run begins here. */
export const SIM_START_MS = Date.UTC(2026, 2, 1, 10, 0, 7);

/** A reading as a client sends it. `seq` is unique in the plan, so that the reading can be told in the log; a repeat has its own. */
export interface PlannedReading extends OracleReading {
  seq: number;
  readingId?: string;
}

/** An element that is wrong on purpose, as JSON text. */
export interface SpoiledElement {
  spoiled: string;
}

export type PlannedElement = PlannedReading | SpoiledElement;

export interface PlannedRequest {
  format: Extract<BodyFormat, 'json' | 'ndjson' | 'msgpack'>;
  elements: PlannedElement[];
  /** The whole body is cut off: unreadable. */
  isTorn: boolean;
  /** The network delivers it twice. */
  isDoubled: boolean;
}
