/**
 * Where a consumer of a shard's effects stands, and the text that it keeps of it: `g<generation>:o:<sequence>:<offset>:<tag>` in the outbox, with
 * `:e<process>.<number>` when it was given windows early, or `g<generation>:s:<table letter><key>:<sequence>:<tag>` in a scan of all there is.
 */

/** Tables in the order in which a scan walks them. */
export const SCAN_TABLES = ['windows', 'parts', 'anomalies', 'deadLetters'] as const;
export type ScanTable = (typeof SCAN_TABLES)[number];

const LETTERS = 'wpad';

interface Tagged {
  /** The next outbox record to read; of a scan, once it is over. */
  sequence: number;
  /** Checksum of the record that holds the newest thing before this place, 0 when there is none: a store restored from a backup goes on otherwise under the same numbers. */
  tag: number;
}

export interface OutboxPlace extends Tagged {
  kind: 'outbox';
  /** Items of the record that were read. */
  offset: number;
  /** Windows given before their step: those noted before `number` by the process of that name. */
  early: { process: string; number: number } | null;
}

export interface ScanPlace extends Tagged {
  kind: 'scan';
  table: ScanTable;
  /** The last key that was read, or empty. */
  key: Uint8Array;
}

export type EffectPlace = OutboxPlace | ScanPlace;

const PATTERN = /^g([^:]+):(?:o:(\d{1,15}):(\d{1,9}):([0-9a-f]{8})(?::e([0-9a-z]+)\.(\d{1,15}))?|s:([wpad])([A-Za-z0-9_-]*):(\d{1,15}):([0-9a-f]{8}))$/;

export function placeText(generation: string, place: EffectPlace): string {
  const tag = place.tag.toString(16).padStart(8, '0');
  if (place.kind === 'scan') return `g${generation}:s:${LETTERS[SCAN_TABLES.indexOf(place.table)]}${Buffer.from(place.key).toString('base64url')}:${place.sequence}:${tag}`;
  const early = place.early === null ? '' : `:e${place.early.process}.${place.early.number}`;
  return `g${generation}:o:${place.sequence}:${place.offset}:${tag}${early}`;
}

/** null for what is no position, or one of another generation. */
export function parsePlace(generation: string, text: string): EffectPlace | null {
  const found = PATTERN.exec(text);
  if (found === null || found[1] !== generation) return null;
  const [, , sequence, offset, tag, process, number, letter, key, scanSequence, scanTag] = found;
  if (letter !== undefined) {
    return { kind: 'scan', table: SCAN_TABLES[LETTERS.indexOf(letter)], key: Buffer.from(key, 'base64url'), sequence: Number(scanSequence), tag: Number.parseInt(scanTag, 16) };
  }
  const early = process === undefined ? null : { process, number: Number(number) };
  return { kind: 'outbox', sequence: Number(sequence), offset: Number(offset), tag: Number.parseInt(tag, 16), early };
}

/** The outbox record whose checksum is the place's tag. */
export function taggedRecord(place: EffectPlace): number {
  return place.kind === 'outbox' && place.offset > 0 ? place.sequence : place.sequence - 1;
}
