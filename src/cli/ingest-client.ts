import type http from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { BodyFormat, IngestSummary } from '../actors/ingest/protocol.ts';
import type { Clock } from '../runtime/clock.ts';
import { systemClock } from '../runtime/clock.ts';
import { OperationalError, invariant } from '../runtime/errors.ts';
import { findKey } from './credentials.ts';
import type { HttpReply } from './http-exchange.ts';
import { createAgent, parseBaseUrl, problemText, sendRequest } from './http-exchange.ts';
import { LatencyHistogram } from './latency-histogram.ts';
import { RETRY_TOTAL_MS, parseRetryAfterMs, pause, retryDelayMs } from './retry-policy.ts';
import type { WireElement } from './wire-reading.ts';
import { CONTENT_TYPE, encodeBody, isSpoiled } from './wire-reading.ts';

export const DEFAULT_INGEST_URL = 'http://127.0.0.1:3001';
/** An ack waits for a disk; half a minute is a disk that hangs. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Until the engine has answered once, a refused connection most likely means that it was never started: say so soon. */
const FIRST_ANSWER_MS = 2_000;
/** Rejected readings kept to be shown; the counters tell the rest. */
const REJECT_SAMPLES_MAX = 20;
const compress = promisify(gzip);

export interface IngestClientOptions {
  /** Base URL of the ingest port; `/ingest` is added when it has no path. Default DEFAULT_INGEST_URL. */
  url?: string;
  format?: BodyFormat;
  gzip?: boolean;
  /** Requests in flight at most. Default 1. */
  concurrency?: number;
  /** How long one batch is sent again before it counts as failed. Default RETRY_TOTAL_MS. */
  retryTotalMs?: number;
  /** Device key, for an engine that asks for one. Default: that of the environment (credentials.ts). */
  key?: string;
  signal?: AbortSignal;
  /** Jitter. Default Math.random. */
  random?: () => number;
  clock?: Clock;
}

/** A reading the engine refused, as far as it can be named. */
export interface RejectSample {
  code: string;
  message: string;
  meterId: string | null;
  timestamp: number | null;
}

export interface IngestTotals {
  /** Batches acknowledged. */
  batches: number;
  /** Readings in acknowledged batches: accepted + duplicates + rejected. */
  acknowledged: number;
  accepted: number;
  duplicates: number;
  rejected: number;
  rejectedByCode: Map<string, number>;
  /** The first REJECT_SAMPLES_MAX rejected readings. */
  rejectSamples: RejectSample[];
  /** Requests sent again after 429, 503 or a broken connection. */
  retries: number;
}

/**
 * Posts batches to the engine and counts what becomes of them. Sending a batch again is safe: readings that were counted come back as
 * duplicates. One producer: `await ready()`, then `post`.
 */
export class IngestClient {
  readonly totals: IngestTotals = {
    batches: 0,
    acknowledged: 0,
    accepted: 0,
    duplicates: 0,
    rejected: 0,
    rejectedByCode: new Map(),
    rejectSamples: [],
    retries: 0,
  };
  /** From the first attempt's start to the ack, waits between attempts included: what a meter would see. */
  readonly ackLatency = new LatencyHistogram();
  readonly url: URL;
  private readonly format: BodyFormat;
  private readonly gzip: boolean;
  private readonly concurrency: number;
  private readonly retryTotalMs: number;
  private readonly key: string | null;
  private readonly signal: AbortSignal | undefined;
  private readonly random: () => number;
  private readonly clock: Clock;
  private readonly agent: http.Agent;
  private inFlight = 0;
  private answered = false;
  private waiters: (() => void)[] = [];

  constructor(options: IngestClientOptions = {}) {
    this.url = parseBaseUrl(options.url ?? DEFAULT_INGEST_URL);
    if (this.url.pathname === '/') this.url.pathname = '/ingest';
    this.format = options.format ?? 'json';
    this.gzip = options.gzip ?? false;
    this.concurrency = options.concurrency ?? 1;
    this.retryTotalMs = options.retryTotalMs ?? RETRY_TOTAL_MS;
    this.key = findKey(options.key);
    this.signal = options.signal;
    this.random = options.random ?? Math.random;
    this.clock = options.clock ?? systemClock;
    this.agent = createAgent(this.url, this.concurrency);
  }

  /** Resolves when fewer than `concurrency` batches are in flight. */
  ready(): Promise<void> {
    return this.below(this.concurrency);
  }

  /** Resolves when nothing is in flight. */
  idle(): Promise<void> {
    return this.below(1);
  }

  /**
   * Sends one batch until it is acknowledged. Throws OperationalError: `engine_unreachable` or `engine_overloaded` once the time for
   * retries is over, `engine_refused` when the engine will not take the request as it is, `aborted`.
   */
  async post(elements: readonly WireElement[]): Promise<IngestSummary> {
    invariant(this.inFlight < this.concurrency, 'post without waiting for ready');
    this.inFlight++;
    try {
      const startedMs = this.clock.monotonic();
      const plain = encodeBody(elements, this.format);
      const body = this.gzip ? await compress(plain, { level: 1 }) : plain;
      const summary = await this.deliver(body, startedMs);
      this.ackLatency.record(this.clock.monotonic() - startedMs);
      this.count(summary, elements);
      return summary;
    } finally {
      this.inFlight--;
      const waiters = this.waiters;
      this.waiters = [];
      for (const wake of waiters) wake();
    }
  }

  /** Closes the idle connections. */
  close(): void {
    this.agent.destroy();
  }

  private async below(limit: number): Promise<void> {
    while (this.inFlight >= limit) await new Promise<void>((resolve) => this.waiters.push(resolve));
  }

  private async deliver(body: Buffer, startedMs: number): Promise<IngestSummary> {
    for (let attempt = 0; ; attempt++) {
      if (this.signal?.aborted) throw new OperationalError('aborted', 'stopped before it was done');
      const outcome = await this.attempt(body);
      if ('summary' in outcome) return outcome.summary;
      const delayMs = retryDelayMs(attempt, outcome.retryAfterMs, this.random);
      const patienceMs = this.answered ? this.retryTotalMs : Math.min(FIRST_ANSWER_MS, this.retryTotalMs);
      if (this.clock.monotonic() - startedMs + delayMs > patienceMs) throw outcome.failure;
      this.totals.retries++;
      await pause(delayMs, this.signal);
    }
  }

  private async attempt(body: Buffer): Promise<{ summary: IngestSummary } | { failure: OperationalError; retryAfterMs: number }> {
    const headers: Record<string, string> = { 'content-type': CONTENT_TYPE[this.format] };
    if (this.gzip) headers['content-encoding'] = 'gzip';
    if (this.key !== null) headers.authorization = `Bearer ${this.key}`;
    let reply: HttpReply;
    try {
      reply = await sendRequest({ url: this.url, method: 'POST', headers, body, agent: this.agent, timeoutMs: REQUEST_TIMEOUT_MS, signal: this.signal });
    } catch (error) {
      if (!(error instanceof OperationalError) || error.code !== 'unreachable') throw error;
      const advice = this.answered ? 'it answered before; see its log' : 'start one with `npm start`, or name another with --url';
      return { failure: new OperationalError('engine_unreachable', `no engine answers at ${this.url.origin}; ${advice} (${error.message})`, { retryable: true, cause: error }), retryAfterMs: 0 };
    }
    this.answered = true;
    if (reply.status === 202) return { summary: parseSummary(reply, this.url) };
    if (reply.status === 429 || reply.status === 503) {
      const failure = new OperationalError('engine_overloaded', `the engine at ${this.url.origin} kept refusing (${problemText(reply)}); send at a lower rate, or see its log`, { retryable: true });
      return { failure, retryAfterMs: parseRetryAfterMs(reply.headers['retry-after'], this.clock.now()) };
    }
    throw new OperationalError('engine_refused', `${this.url.href} refused the request: ${problemText(reply)}`);
  }

  private count(summary: IngestSummary, elements: readonly WireElement[]): void {
    const totals = this.totals;
    totals.batches++;
    totals.acknowledged += elements.length;
    totals.accepted += summary.accepted;
    totals.duplicates += summary.duplicates;
    totals.rejected += summary.rejected;
    for (const { index, code, message } of summary.errors) {
      totals.rejectedByCode.set(code, (totals.rejectedByCode.get(code) ?? 0) + 1);
      if (totals.rejectSamples.length >= REJECT_SAMPLES_MAX) continue;
      const element = elements[index];
      const named = element !== undefined && !isSpoiled(element);
      totals.rejectSamples.push({ code, message, meterId: named ? element.meterId : null, timestamp: named ? element.timestamp : null });
    }
  }
}

function parseSummary(reply: HttpReply, url: URL): IngestSummary {
  try {
    const summary = JSON.parse(reply.body.toString('utf8')) as IngestSummary;
    if (Number.isInteger(summary.accepted) && Number.isInteger(summary.duplicates) && Number.isInteger(summary.rejected) && Array.isArray(summary.errors)) return summary;
  } catch {
    // Falls through: a body that is not JSON is as foreign as one with other fields.
  }
  throw new OperationalError('engine_refused', `${url.href} answered 202 with a body that is not an ingest summary; is it the ingest port of an engine?`);
}
