import { ROOT_CONTEXT, SpanKind as OtelKind, SpanStatusCode, trace, TraceFlags, type Context, type Span as OtelSpan, type SpanContext, type Tracer } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOnSampler, BatchSpanProcessor, TracerProvider, type ReadableSpan, type SpanExporter } from '@opentelemetry/sdk-trace';
import { invariant } from './errors.ts';
import type { Log } from './log.ts';
import { formatTraceparent, parseTraceparent, type TraceContext } from './trace-context.ts';
import { LINKS_MAX, type Span, type SpanAttributes, type SpanKind, type SpanOptions, type Tracing, type TracingFigures, type TracingOptions } from './tracing.ts';

/** Traces by OpenTelemetry, sent as OTLP over HTTP in JSON. Loaded by openTracing alone. What a collector should know besides the address (OTEL_EXPORTER_OTLP_HEADERS) is taken from OpenTelemetry's own variables. */

export const SERVICE_NAME = 'smart-energy-grid';
/** Spans that wait for the collector in one thread; more are lost, and counted. 4,096 of some 1 KB. */
const QUEUE_SPANS_MAX = 4_096;
const EXPORT_SPANS_MAX = 512;
/** A trace is looked at by people: a second is soon enough. */
const EXPORT_INTERVAL_MS = 1_000;
const EXPORT_TIMEOUT_MS = 5_000;
/** At the end of a thread, which others wait for. */
const CLOSE_TIMEOUT_MS = 1_000;

const KINDS: Readonly<Record<SpanKind, OtelKind>> = { server: OtelKind.SERVER, client: OtelKind.CLIENT, producer: OtelKind.PRODUCER, consumer: OtelKind.CONSUMER, internal: OtelKind.INTERNAL };

export interface OtlpTracingModules {
  log: Log;
  /** Epoch milliseconds with fractions. */
  nowMs(): number;
  /** From 0 to below 1. */
  random(): number;
}

export function otlpTracing(options: TracingOptions, thread: string, modules: OtlpTracingModules): Tracing {
  const exporter = new OTLPTraceExporter({ url: `${options.url.replace(/\/+$/, '')}/v1/traces`, timeoutMillis: EXPORT_TIMEOUT_MS });
  return new OtlpTracing(options, thread, new CountingExporter(exporter, options.url, modules.log), modules);
}

class OtlpTracing implements Tracing {
  private readonly options: TracingOptions;
  private readonly modules: OtlpTracingModules;
  private readonly exporter: CountingExporter;
  private readonly provider: TracerProvider;
  private readonly shared: SpanMaker;

  constructor(options: TracingOptions, thread: string, exporter: CountingExporter, modules: OtlpTracingModules) {
    this.options = options;
    this.modules = modules;
    this.exporter = exporter;
    this.provider = new TracerProvider({
      resource: resourceFromAttributes({ 'service.name': SERVICE_NAME, 'service.version': options.version, 'service.instance.id': options.instance }),
      // Whether a trace is kept is decided before there is a span.
      sampler: new AlwaysOnSampler(),
      spanProcessors: [
        new BatchSpanProcessor({ exporter, maxQueueSize: QUEUE_SPANS_MAX, maxExportBatchSize: EXPORT_SPANS_MAX, scheduledDelayMillis: EXPORT_INTERVAL_MS, exportTimeoutMillis: EXPORT_TIMEOUT_MS }),
      ],
    });
    this.shared = new SpanMaker(this.provider.getTracer(SERVICE_NAME, options.version), thread, exporter, () => this.nowMs());
  }

  nowMs(): number {
    return this.modules.nowMs();
  }

  receive(name: string, from: TraceContext | null, options: SpanOptions = {}): Span | null {
    if (from === null) return this.modules.random() < this.options.sampleRatio ? this.shared.make(name, ROOT_CONTEXT, options) : null;
    return from.isSampled ? this.shared.make(name, contextOf(from), options) : null;
  }

  continue(name: string, traceparent: string, options: SpanOptions = {}): Span {
    return this.shared.make(name, contextOf(ownContext(traceparent)), options);
  }

  figures(): TracingFigures {
    return this.exporter.figures();
  }

  async close(): Promise<void> {
    let timer: NodeJS.Timeout;
    const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, CLOSE_TIMEOUT_MS)));
    await Promise.race([this.provider.shutdown().catch(() => undefined), limit]);
    clearTimeout(timer!);
  }
}

/** What the spans of one thread share. */
class SpanMaker {
  private readonly tracer: Tracer;
  private readonly thread: string;
  private readonly exporter: CountingExporter;
  readonly nowMs: () => number;

  constructor(tracer: Tracer, thread: string, exporter: CountingExporter, nowMs: () => number) {
    this.tracer = tracer;
    this.thread = thread;
    this.exporter = exporter;
    this.nowMs = nowMs;
  }

  make(name: string, parent: Context, { kind = 'internal', attributes, links = [], startMs = this.nowMs() }: SpanOptions): Span {
    const span = this.tracer.startSpan(
      name,
      {
        kind: KINDS[kind],
        startTime: hrTime(startMs),
        attributes: { 'thread.name': this.thread, ...attributes },
        links: links.slice(0, LINKS_MAX).map((link) => ({ context: spanContextOf(ownContext(link)) })),
      },
      parent,
    );
    return new OtlpSpan(span, this, startMs);
  }

  ended(): void {
    this.exporter.spansEnded++;
  }
}

class OtlpSpan implements Span {
  readonly traceparent: string;
  readonly startMs: number;
  private readonly span: OtelSpan;
  private readonly maker: SpanMaker;

  constructor(span: OtelSpan, maker: SpanMaker, startMs: number) {
    const { traceId, spanId } = span.spanContext();
    this.traceparent = formatTraceparent({ traceId, spanId, isSampled: true });
    this.startMs = startMs;
    this.span = span;
    this.maker = maker;
  }

  child(name: string, options: SpanOptions = {}): Span {
    return this.maker.make(name, trace.setSpan(ROOT_CONTEXT, this.span), options);
  }

  end({ attributes, error, endMs = this.maker.nowMs() }: { attributes?: SpanAttributes; error?: string; endMs?: number } = {}): void {
    if (attributes !== undefined) this.span.setAttributes(attributes);
    if (error !== undefined) this.span.setStatus({ code: SpanStatusCode.ERROR, message: error });
    this.maker.ended();
    this.span.end(hrTime(endMs));
  }
}

/** Counts what arrives, and says in the log once when nothing does and once when it does again. */
class CountingExporter implements SpanExporter {
  spansEnded = 0;
  private spansSent = 0;
  private spansRefused = 0;
  private underWay = 0;
  private isFailing = false;
  private readonly exporter: SpanExporter;
  private readonly url: string;
  private readonly log: Log;

  constructor(exporter: SpanExporter, url: string, log: Log) {
    this.exporter = exporter;
    this.url = url;
    this.log = log;
  }

  export(spans: ReadableSpan[], done: Parameters<SpanExporter['export']>[1]): void {
    this.underWay += spans.length;
    this.exporter.export(spans, (result) => {
      this.underWay -= spans.length;
      // 0 is success; @opentelemetry/core has a name for it and nothing else that is needed here.
      if (result.code === 0) this.spansSent += spans.length;
      else this.spansRefused += spans.length;
      this.note(result.code === 0, result.error);
      done(result);
    });
  }

  shutdown(): Promise<void> {
    return this.exporter.shutdown();
  }

  /** Of those that ended, what was neither sent nor waits was lost; up to a full queue it may still be waiting. */
  figures(): TracingFigures {
    const overflown = this.spansEnded - this.spansSent - this.spansRefused - this.underWay - QUEUE_SPANS_MAX;
    return { spansSent: this.spansSent, spansLost: this.spansRefused + Math.max(0, overflown) };
  }

  private note(isWell: boolean, error: unknown): void {
    if (isWell !== this.isFailing) return;
    this.isFailing = !isWell;
    if (isWell) this.log.info({ collector: this.url }, 'traces are sent again');
    else this.log.warn({ collector: this.url, err: error }, 'traces cannot be sent; the engine goes on without them');
  }
}

function contextOf(context: TraceContext): Context {
  return trace.setSpanContext(ROOT_CONTEXT, spanContextOf(context));
}

function spanContextOf({ traceId, spanId }: TraceContext): SpanContext {
  return { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
}

/** Of a traceparent that a thread of this engine made. */
function ownContext(traceparent: string): TraceContext {
  const context = parseTraceparent(traceparent);
  invariant(context !== null, `${traceparent} is no traceparent`);
  return context;
}

/** Seconds and nanoseconds, so that nobody takes the number for one of the thread's own clock. */
function hrTime(epochMs: number): [number, number] {
  const seconds = Math.floor(epochMs / 1_000);
  return [seconds, Math.round((epochMs - seconds * 1_000) * 1e6)];
}
