import { createHash, timingSafeEqual } from 'node:crypto';
import type { HttpRequest } from 'uWebSockets.js';
import { Packr } from 'msgpackr';
import { z } from 'zod';
import type { Clock, Timers } from '../runtime/clock.ts';
import { BODY_LIMITS_DEFAULT, BodyIntake } from './body-intake.ts';
import type { Exchange } from './exchange.ts';
import type { HttpFront } from './http-front.ts';
import { ASK_PATH, ASKABLE, NODE_CONTENT_TYPE, REPORTS_PATH, SECRET_HEADER, type NodePort, type NodeQuestion } from './node-port.ts';
import type { Problem } from './problem-details.ts';

/** Routes for the other nodes of a cluster. */

export interface NodeRoutesOptions {
  /** What every other node sends with its requests; null: none is asked for, which is for loopback alone. */
  secret: string | null;
  /** Requests being answered at once; past it 503. */
  requestsInFlightMax: number;
}

/** Questions have no more than names, times and cursors; those for keys of regional windows are the longest. */
const BODY_BYTES_MAX = 1024 * 1024;
const QUESTIONS_MAX = 1_024;
const packr = new Packr({ useRecords: false });

/** A question's own fields are the shard's to look at; a wrong one is a failed question and costs nobody else. */
const questions = z
  .array(z.object({ query: z.looseObject({ kind: z.string().refine((kind) => (ASKABLE as ReadonlySet<string>).has(kind)) }), partitions: z.array(z.int().min(0)).max(100_000) }))
  .max(QUESTIONS_MAX);
const askBody = z.object({ questions });
const reportsBody = z.object({ since: z.object({ life: z.string(), at: z.number() }).nullable() });

/** Adds them; the result frees what they hold. */
export function addNodeRoutes(front: HttpFront, port: NodePort, options: NodeRoutesOptions, modules: { clock: Clock; timers: Timers }): { close(): void } {
  const intake = new BodyIntake({ ...BODY_LIMITS_DEFAULT, bodyBytesMax: BODY_BYTES_MAX, bufferedBytesMax: options.requestsInFlightMax * BODY_BYTES_MAX }, modules);
  const secret = options.secret === null ? null : digest(options.secret);
  let inFlight = 0;

  function route<Body>(path: string, schema: z.ZodType<Body>, answer: (body: Body) => object | Promise<object>): void {
    const receive = (exchange: Exchange, head: HttpRequest): void => {
      if (secret !== null && !timingSafeEqual(secret, digest(head.getHeader(SECRET_HEADER)))) return exchange.problem(NOT_A_NODE);
      if (inFlight >= options.requestsInFlightMax) return exchange.problem(BUSY);
      inFlight++;
      exchange.onEnded(() => inFlight--);
      intake.collectBody(exchange, head, (bytes) => {
        const body = parsed(schema, bytes);
        if (body === null) return exchange.problem(UNREADABLE);
        void (async () => answer(body))().then(
          (document) => exchange.reply(200, NODE_CONTENT_TYPE, packr.pack(document)),
          (error: unknown) => exchange.fail(error),
        );
      });
    };
    front.route(path, { POST: receive });
  }

  route(ASK_PATH, askBody, async (body) => ({ answers: await port.ask(body.questions as unknown as NodeQuestion[]) }));
  route(REPORTS_PATH, reportsBody, ({ since }) => port.reports(since));
  return { close: () => intake.close() };
}

/** Of equal length whatever was sent, so that comparing takes the same time. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function parsed<Body>(schema: z.ZodType<Body>, bytes: Uint8Array): Body | null {
  try {
    // A copy: what is bytes in it stays a view, goes on to other threads with its whole buffer, and is used longer than a body's is lent.
    return schema.parse(packr.unpack(new Uint8Array(bytes)));
  } catch {
    return null;
  }
}

const NOT_A_NODE: Problem = { status: 403, code: 'not_a_node', detail: 'This path is for the other nodes of the cluster, which share a secret (SEG_CLUSTER_SECRET); the one sent is not it.' };
const BUSY: Problem = { status: 503, code: 'overloaded', detail: 'This node answers as many requests of other nodes as it may. Try again.', retryAfterSeconds: 1 };
const UNREADABLE: Problem = { status: 400, code: 'invalid_request', detail: 'This is no question that a node of the same version asks.' };
