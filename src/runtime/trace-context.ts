/**
 * W3C Trace Context, level 1 and 2 (https://www.w3.org/TR/trace-context/): what a `traceparent` says. `tracestate` is nobody's business here: whoever
 * passes a traceparent on with another parent may leave it out.
 */

export interface TraceContext {
  /** 32 lower-case hexadecimal digits, not all 0. */
  readonly traceId: string;
  /** Of the span that is the parent of what comes: 16 lower-case hexadecimal digits, not all 0. */
  readonly spanId: string;
  /** Its sender keeps this trace. */
  readonly isSampled: boolean;
}

/** Of version 00: `00-`, 32 digits, `-`, 16, `-`, 2. */
const LENGTH = 55;
const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const NO_TRACE = '0'.repeat(32);
const NO_SPAN = '0'.repeat(16);
const VERSION = '00';
/** Reserved by the specification as never valid. */
const VERSION_INVALID = 'ff';
const FLAG_SAMPLED = 1;

/** The context that a header gives, or null where it is none: upper case, other lengths and ids of zeros are not valid, and one that is not valid is as if it were not there. */
export function parseTraceparent(header: string): TraceContext | null {
  // A later version may say more, behind a dash; what it begins with is read as this one.
  if (header.length > LENGTH && header[LENGTH] !== '-') return null;
  const parts = FORM.exec(header.slice(0, LENGTH));
  if (parts === null) return null;
  const [, version, traceId, spanId, flags] = parts;
  if (version === VERSION_INVALID || (version === VERSION && header.length > LENGTH)) return null;
  if (traceId === NO_TRACE || spanId === NO_SPAN) return null;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & FLAG_SAMPLED) !== 0 };
}

/** As it is sent on, in version 00. */
export function formatTraceparent({ traceId, spanId, isSampled }: TraceContext): string {
  return `${VERSION}-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;
}
