import type { TraceContext } from './trace-context.ts';

/**
 * Traces as the engine sees them: spans with a beginning, an end and a parent, on whatever thread. Where tracing is off there is no Tracing, and no Span
 * anywhere: who may have one holds null, and that is all it costs. open-tracing.ts opens it, otlp-tracing.ts sends them.
 */

export type SpanKind = 'server' | 'client' | 'producer' | 'consumer' | 'internal';

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

export interface SpanOptions {
  /** `internal` when absent. */
  kind?: SpanKind;
  attributes?: SpanAttributes;
  /** traceparents of other traces that it is work for as well; LINKS_MAX are kept. */
  links?: readonly string[];
  /** When it began, as of Tracing.nowMs; now when absent. */
  startMs?: number;
}

/** Of a batch that mixes more traces than this only so many are named: a span with thousands of links helps nobody. */
export const LINKS_MAX = 64;

export interface Span {
  /** For whoever goes on with it, on another thread or in another program. */
  readonly traceparent: string;
  readonly startMs: number;
  child(name: string, options?: SpanOptions): Span;
  /** Once. `error`: why it failed. */
  end(outcome?: { attributes?: SpanAttributes; error?: string; endMs?: number }): void;
}

/** Since the start. */
export interface TracingFigures {
  spansSent: number;
  /** That the collector did not take, or that found the queue full. */
  spansLost: number;
}

export interface Tracing {
  /** Epoch milliseconds with their fractions, on one scale for all threads. */
  nowMs(): number;
  /** The first span here of a request: of the trace that it came with, if its sender keeps that, else by chance of a new one; null: it is not traced. */
  receive(name: string, from: TraceContext | null, options?: SpanOptions): Span | null;
  /** A span under one of another thread. */
  continue(name: string, traceparent: string, options?: SpanOptions): Span;
  figures(): TracingFigures;
  /** Sends what waits, for a time of its own at most. Never rejects. */
  close(): Promise<void>;
}

/** How a thread traces; null: not at all. Structured-cloneable. */
export interface TracingOptions {
  /** Of a collector that takes OTLP over HTTP, without `/v1/traces`. */
  url: string;
  /** Of requests that come without a trace this share begins one, 0 to 1. */
  sampleRatio: number;
  version: string;
  /** Tells engines apart. */
  instance: string;
}
