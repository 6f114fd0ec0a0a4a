import { READINGS_PER_REQUEST_MAX } from '../../model/reading.ts';
import { formatTraceparent, parseTraceparent } from '../../runtime/trace-context.ts';
import { LINKS_MAX } from '../../runtime/tracing.ts';
import type { BatchTrace, TracedPart } from '../shard/protocol.ts';

/**
 * The traces of a message's readings, as its headers say them. TRACEPARENT_HEADER is W3C's, of the first request that is traced. Where not all of the message is of that request, TRACES_HEADER says which
 * elements are whose: `from count` of the first, then `traceparent from count` of each other one, ascending, with commas in between; `from` counts elements of the message from 0.
 *
 * Anybody may write headers, and nothing counts by them: what is not of this form is as if it were not there.
 */

export const TRACEPARENT_HEADER = 'traceparent';
export const TRACES_HEADER = 'seg-traces';

/** Longer ones are not looked at. Of version 00 it has 55 characters; what later ones add is not read. */
export const TRACEPARENT_LENGTH_MAX = 256;
/** A traceparent, two numbers of five digits, two blanks and a comma for each. */
export const TRACES_LENGTH_MAX = LINKS_MAX * 68;
const PART = /^(?:(\S+) )?(\d{1,5}) (\d{1,5})$/;

/** Of a message of so many elements; `parts` are those of its traced requests, one at least. */
export function traceHeaders(parts: readonly TracedPart[], elements: number): Record<string, string> {
  const [{ traceparent, from, count }, ...others] = parts;
  if (count === elements) return { [TRACEPARENT_HEADER]: traceparent };
  const traces = [`${from} ${count}`, ...others.map((part) => `${part.traceparent} ${part.from} ${part.count}`)].join(',');
  return { [TRACEPARENT_HEADER]: traceparent, [TRACES_HEADER]: traces };
}

/** What the headers say; null: the message is not traced. `from` and `count` are of elements, ascending, and may be past the message's end. */
export function readTrace(traceparent: string, traces: string | null): BatchTrace | null {
  const first = sampledTraceparent(traceparent);
  if (first === null) return null;
  const parts = traces === null ? null : readParts(first, traces);
  return { traceparent: first, parts: parts ?? [{ traceparent: first, from: 0, count: READINGS_PER_REQUEST_MAX }] };
}

/** The same parts by readings of the batch that was made of the message, in which rejected elements have no place. `rejected` ascends. */
export function partsOfReadings(parts: readonly TracedPart[], rejected: readonly { readonly index: number }[], readings: number): TracedPart[] {
  let passed = 0;
  const positionOf = (element: number): number => {
    while (passed < rejected.length && rejected[passed].index < element) passed++;
    return Math.min(element - passed, readings);
  };
  return parts.map((part) => {
    const from = positionOf(part.from);
    return { traceparent: part.traceparent, from, count: positionOf(part.from + part.count) - from };
  });
}

function readParts(first: string, traces: string): TracedPart[] | null {
  if (traces.length > TRACES_LENGTH_MAX) return null;
  const texts = traces.split(',');
  if (texts.length > LINKS_MAX) return null;
  const parts: TracedPart[] = [];
  let end = 0;
  for (const text of texts) {
    const found = PART.exec(text);
    if (found === null || (found[1] === undefined) !== (parts.length === 0)) return null;
    const traceparent = found[1] === undefined ? first : sampledTraceparent(found[1]);
    const [from, count] = [Number(found[2]), Number(found[3])];
    if (traceparent === null || count === 0 || from < end) return null;
    parts.push({ traceparent, from, count });
    end = from + count;
  }
  return parts;
}

function sampledTraceparent(text: string): string | null {
  const context = text.length > TRACEPARENT_LENGTH_MAX ? null : parseTraceparent(text);
  return context === null || !context.isSampled ? null : formatTraceparent(context);
}
