import type { ReadingBatch } from '../../model/reading-batch.ts';
import { LINKS_MAX, type Span, type SpanOptions, type Tracing } from '../../runtime/tracing.ts';
import type { MeterDirectory } from './meter-pages.ts';
import type { BatchTrace, TracedPart } from './protocol.ts';
import { TRACED_WINDOWS_MAX, WindowTraces } from './window-traces.ts';

/** A batch on its way through the shard, some of whose requests are traced. */
export interface TracedBatch {
  readonly span: Span;
  readonly parts: readonly TracedPart[];
}

/** The spans of one shard's batches and checkpoints, and what has to be remembered of them. Nothing of it is there in a shard that does not trace. */
export class BatchTraces {
  readonly windows: WindowTraces;
  private readonly tracing: Tracing;
  /** Requests whose readings no checkpoint has begun to write yet; LINKS_MAX at most. */
  private unwritten: string[] = [];

  constructor(tracing: Tracing, windowsMax = TRACED_WINDOWS_MAX) {
    this.tracing = tracing;
    this.windows = new WindowTraces(windowsMax);
  }

  /** A batch came; its span is named so, and ends when it is counted. */
  begin({ traceparent, parts }: BatchTrace, name: string, options: SpanOptions): TracedBatch {
    const links = parts.slice(1).map((part) => part.traceparent);
    return { span: this.tracing.continue(name, traceparent, { ...options, links }), parts };
  }

  /** Spans of the one commit that a group of entries shares, one for each that is traced. */
  appending(group: readonly { readonly kind: string; readonly trace?: TracedBatch | null }[]): Span[] {
    const spans: Span[] = [];
    for (const { trace } of group) if (trace != null) spans.push(trace.span.child('append to log', { attributes: { 'seg.group': group.length } }));
    return spans;
  }

  /** The batch was counted. Its answer goes next. */
  folded(folding: Span, { span, parts }: TracedBatch, { batch, outcomes, directory }: { batch: ReadingBatch; outcomes: Uint8Array; directory: MeterDirectory }): void {
    folding.end();
    this.windows.note(batch, outcomes, parts, directory);
    for (const { traceparent } of parts) if (this.unwritten.length < LINKS_MAX) this.unwritten.push(traceparent);
    span.end();
  }

  /** A step of a checkpoint begins; null where nothing that it may write is traced. Its pages need not be those of the readings: a round of steps has them all. */
  checkpointing(shard: number): Span | null {
    const [first, ...links] = this.unwritten;
    if (first === undefined) return null;
    this.unwritten = [];
    return this.tracing.continue('checkpoint step', first, { links, attributes: { 'seg.shard': shard } });
  }
}
