import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

/** A collector of OTLP over HTTP in JSON (https://opentelemetry.io/docs/specs/otlp/) that remembers what it was sent. */

export interface CollectedSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  /** SERVER 2, CLIENT 3, PRODUCER 4, CONSUMER 5, INTERNAL 1. */
  kind: number;
  startMs: number;
  endMs: number;
  attributes: Readonly<Record<string, unknown>>;
  links: readonly { traceId: string; spanId: string }[];
  /** OK 1, ERROR 2, not set 0. */
  status: { code?: number; message?: string };
  resource: Readonly<Record<string, unknown>>;
}

type Value = Readonly<Record<string, unknown>>;
interface Attribute {
  key: string;
  value: Value;
}
interface Export {
  resourceSpans: { resource: { attributes: Attribute[] }; scopeSpans: { spans: Record<string, unknown>[] }[] }[];
}

export class OtlpCollector {
  readonly spans: CollectedSpan[] = [];
  readonly contentTypes = new Set<string>();
  /** What it answers. */
  status = 200;
  requests = 0;
  private readonly server: Server;

  private constructor() {
    this.server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      this.requests++;
      this.contentTypes.add(request.headers['content-type'] ?? '');
      if (request.method !== 'POST' || request.url !== '/v1/traces') response.writeHead(404).end();
      else {
        if (this.status === 200) this.take(JSON.parse(Buffer.concat(chunks).toString()) as Export);
        response.writeHead(this.status, { 'content-type': 'application/json' }).end('{}');
      }
    });
  }

  static async start(): Promise<OtlpCollector> {
    const collector = new OtlpCollector();
    collector.server.listen(0, '127.0.0.1');
    await once(collector.server, 'listening');
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  ofTrace(traceId: string): CollectedSpan[] {
    return this.spans.filter((span) => span.traceId === traceId);
  }

  named(name: string): CollectedSpan[] {
    return this.spans.filter((span) => span.name === name);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private take({ resourceSpans }: Export): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      for (const span of scopeSpans.flatMap(({ spans }) => spans)) this.spans.push(collected(span, attributesOf(resource.attributes)));
    }
  }
}

function collected(span: Record<string, unknown>, resource: Readonly<Record<string, unknown>>): CollectedSpan {
  return {
    traceId: String(span.traceId),
    spanId: String(span.spanId),
    parentSpanId: span.parentSpanId as string | undefined,
    name: String(span.name),
    kind: Number(span.kind),
    startMs: Number(BigInt(String(span.startTimeUnixNano)) / 1_000n) / 1_000,
    endMs: Number(BigInt(String(span.endTimeUnixNano)) / 1_000n) / 1_000,
    attributes: attributesOf(span.attributes as Attribute[]),
    links: ((span.links ?? []) as { traceId: string; spanId: string }[]).map(({ traceId, spanId }) => ({ traceId, spanId })),
    status: span.status as CollectedSpan['status'],
    resource,
  };
}

function attributesOf(attributes: readonly Attribute[] = []): Readonly<Record<string, unknown>> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
