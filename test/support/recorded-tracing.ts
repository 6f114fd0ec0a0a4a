import { formatTraceparent, parseTraceparent, type TraceContext } from '../../src/runtime/trace-context.ts';
import type { Span, SpanOptions, Tracing, TracingFigures } from '../../src/runtime/tracing.ts';

/** A Tracing that keeps its spans. */

export interface RecordedSpan extends SpanOptions {
  name: string;
  traceparent: string;
  /** traceparent of the span that it is under; null: it begins a trace. */
  parent: string | null;
  isEnded: boolean;
  error?: string;
}

export const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';

/** Of the span number `n` of a trace. */
export function traceparentOf(n: number, traceId = TRACE_ID): string {
  return formatTraceparent({ traceId, spanId: n.toString(16).padStart(16, '0'), isSampled: true });
}

export class RecordedTracing implements Tracing {
  readonly spans: RecordedSpan[] = [];

  nowMs(): number {
    return 0;
  }

  receive(name: string, from: TraceContext | null, options: SpanOptions = {}): Span | null {
    return from !== null && !from.isSampled ? null : this.make(name, from === null ? null : formatTraceparent(from), options);
  }

  continue(name: string, traceparent: string, options: SpanOptions = {}): Span {
    return this.make(name, traceparent, options);
  }

  figures(): TracingFigures {
    return { spansSent: 0, spansLost: 0 };
  }

  async close(): Promise<void> {}

  named(name: string): RecordedSpan[] {
    return this.spans.filter((span) => span.name === name);
  }

  private make(name: string, parent: string | null, options: SpanOptions): Span {
    const traceId = parent === null ? TRACE_ID : parseTraceparent(parent)!.traceId;
    const recorded: RecordedSpan = { ...options, name, parent, traceparent: traceparentOf(0xa000 + this.spans.length, traceId), isEnded: false };
    this.spans.push(recorded);
    return {
      traceparent: recorded.traceparent,
      startMs: 0,
      child: (childName, childOptions = {}) => this.make(childName, recorded.traceparent, childOptions),
      end({ error } = {}) {
        recorded.isEnded = true;
        if (error !== undefined) recorded.error = error;
      },
    };
  }
}
