import { Packr } from 'msgpackr';
import type { BodyFormat } from '../actors/ingest/protocol.ts';

/** A reading as it is sent to `POST /ingest`: DESIGN's names and units, timestamp in epoch milliseconds. */
export interface WireReading {
  readingId?: string;
  meterId: string;
  region: string;
  timestamp: number;
  powerKw: number;
  energyKwh?: number;
  voltage?: number;
  current?: number;
  frequency?: number;
  powerFactor?: number;
  seq?: number;
}

/**
 * An element of a request that is wrong on purpose. JSON cannot write Infinity and MessagePack cannot be cut off inside an array, so it
 * carries what to write in either: `json` is put into the body as it stands, `value` is packed.
 */
export interface SpoiledElement {
  json: string;
  value: unknown;
}

export type WireElement = WireReading | SpoiledElement;

export const CONTENT_TYPE: Readonly<Record<BodyFormat, string>> = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  msgpack: 'application/msgpack',
};

const packr = new Packr({ useRecords: false });

export function isSpoiled(element: WireElement): element is SpoiledElement {
  return 'json' in element;
}

/** The request body for these elements; owned by the caller. */
export function encodeBody(elements: readonly WireElement[], format: BodyFormat): Buffer {
  if (format === 'msgpack') return packr.pack(elements.map((element) => (isSpoiled(element) ? element.value : element)));
  const texts = elements.map((element) => (isSpoiled(element) ? element.json : JSON.stringify(element)));
  return Buffer.from(format === 'json' ? `[${texts.join(',')}]` : `${texts.join('\n')}\n`, 'utf8');
}
