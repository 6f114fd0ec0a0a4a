import { parseTraceparent } from './trace-context.ts';
import type { Span } from './tracing.ts';

/** What a log line has beside its own fields, so that one gets from it to the trace that it was written in; empty where nothing is traced. */
export interface TraceFields {
  /** 32 lower-case hexadecimal digits. */
  traceId?: string;
  /** 16 of them. */
  spanId?: string;
}

/** Of a line about what this span is of; null: it is not traced. Made when a line is written, and for no other request. */
export function traceFields(span: Pick<Span, 'traceparent'> | null): TraceFields {
  const context = span === null ? null : parseTraceparent(span.traceparent);
  return context === null ? {} : { traceId: context.traceId, spanId: context.spanId };
}
