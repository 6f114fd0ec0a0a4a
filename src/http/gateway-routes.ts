import type { HttpRequest } from 'uWebSockets.js';
import { z } from 'zod';
import { OperationalError } from '../runtime/errors.ts';
import type { AlertsPort } from './alerts-port.ts';
import { bodyFaults, invalidBody } from './body-fields.ts';
import type { EnginePort } from './engine-port.ts';
import type { Exchange, HeaderFields } from './exchange.ts';
import type { HttpFront, HttpMethod } from './http-front.ts';
import type { JsonIntake } from './json-intake.ts';
import { mayWrite } from './own-pages.ts';
import type { Problem } from './problem-details.ts';
import { invalidQuery, isProblem, parseQuery } from './query-parameters.ts';
import { problemOfRefusal } from './supervisor-refusals.ts';
import type { TariffsPort } from './tariffs-port.ts';

/** What every route of the gateway does: check where a write comes from, the query, the body; take a slot; ask the engine; answer. */

/** Answers are of the moment and for this client alone. */
export const ANSWER_HEADERS: HeaderFields = [
  ['cache-control', 'no-store'],
  ['x-content-type-options', 'nosniff'],
];

/** What a route is given: its path parameters decoded and in order, its query checked, and the time it came at. */
export interface RouteRequest<Query> {
  path: readonly string[];
  query: Query;
  nowMs: number;
}

export interface WriteRequest<Query, Body> extends RouteRequest<Query> {
  body: Body;
  /** Of If-Match: the version that the client has seen; 0 of `If-None-Match: *`, which wants none to be there; null when it did not say. */
  version: number | null;
}

/** The document of a 200 (null: 204), or why there is none. */
export type RouteAnswer = Answer | Problem;

export interface Answer {
  document: object | null;
  /** Sent as ETag, to be given back as If-Match. */
  version?: number;
  /** Path of what was made: 201. */
  location?: string;
  /** In the place of a document. */
  file?: AnswerFile;
}

/** What a browser saves and other programs read. */
export interface AnswerFile {
  /** Media type. */
  type: string;
  /** Name it is saved as: letters, digits, `.`, `_` and `-`. */
  name: string;
  content: string | Uint8Array;
  /** Of a list in parts, the cursor of the next: sent as x-next-cursor. */
  nextCursor?: string | null;
}

/** What one method of a path does; its parameters are decoded. */
export type RouteMethod = (exchange: Exchange, head: HttpRequest, path: readonly string[]) => void | Promise<void>;

const NO_QUERY = z.object({});
/** Longest name in a path. Ids of deliveries are the longest there are, at some hundred bytes; stores take keys of 1,978 bytes, and some are made of several ids. */
const NAME_BYTES_MAX = 512;

export interface GatewayRoutesOptions {
  now: () => number;
  queriesInFlightMax: number;
  /** `host:port` by which browsers reach the engine, beside its addresses. */
  ownHosts: readonly string[];
}

/** Routes in front of one engine and its supervisors. */
export class GatewayRoutes {
  readonly engine: EnginePort;
  readonly alerts: AlertsPort;
  readonly tariffs: TariffsPort;
  private readonly front: HttpFront;
  private readonly intake: JsonIntake;
  private readonly options: GatewayRoutesOptions;
  private queriesInFlight = 0;
  private refused = 0;

  constructor(modules: { front: HttpFront; intake: JsonIntake; engine: EnginePort; alerts: AlertsPort; tariffs: TariffsPort }, options: GatewayRoutesOptions) {
    this.front = modules.front;
    this.intake = modules.intake;
    this.engine = modules.engine;
    this.alerts = modules.alerts;
    this.tariffs = modules.tariffs;
    this.options = options;
  }

  /** Serves GET alone of one uWebSockets pattern, such as `/api/v1/meters/:meterId`. */
  get<Schema extends z.ZodObject>(path: string, schema: Schema, answer: (request: RouteRequest<z.output<Schema>>) => Promise<RouteAnswer> | RouteAnswer): void {
    this.serve(path, { GET: this.read(schema, answer) });
  }

  /** Serves all methods that a pattern has; once for each pattern. */
  serve(path: string, methods: Partial<Record<HttpMethod, RouteMethod>>): void {
    const parameterCount = path.split('/').filter((part) => part.startsWith(':')).length;
    const names = (head: HttpRequest) => Array.from({ length: parameterCount }, (_, at) => decodedParameter(head.getParameter(at) ?? ''));
    const handler = (run: RouteMethod) => (exchange: Exchange, head: HttpRequest) => {
      const path = names(head);
      return path.every((name) => Buffer.byteLength(name) <= NAME_BYTES_MAX) ? run(exchange, head, path) : exchange.problem(NO_SUCH_NAME);
    };
    this.front.route(path, Object.fromEntries(Object.entries(methods).map(([method, run]) => [method, handler(run)])));
  }

  /** A method that only looks. */
  read<Schema extends z.ZodObject>(schema: Schema, answer: (request: RouteRequest<z.output<Schema>>) => Promise<RouteAnswer> | RouteAnswer): RouteMethod {
    return (exchange, head, path) => {
      const nowMs = this.options.now();
      const query = parseQuery(schema, head.getQuery() ?? '');
      if (isProblem(query)) return exchange.problem(query);
      return this.answer(exchange, () => answer({ path, query, nowMs }));
    };
  }

  /** A method that changes something and has a JSON body. */
  write<Body>(schema: z.ZodType<Body>, answer: (request: WriteRequest<object, Body>) => Promise<RouteAnswer> | RouteAnswer): RouteMethod {
    return this.writeWith(NO_QUERY, schema, answer);
  }

  /** The same where the body is a document of its own, and what else is to be said stands in the query. */
  writeWith<Schema extends z.ZodObject, Body>(querySchema: Schema, schema: z.ZodType<Body>, answer: (request: WriteRequest<z.output<Schema>, Body>) => Promise<RouteAnswer> | RouteAnswer): RouteMethod {
    return (exchange, head, path) => {
      const begun = this.beginWrite(exchange, head, querySchema);
      if (begun === null || !this.intake.enter(exchange)) return;
      this.intake.collectJson(exchange, head, (value) => {
        const parsed = schema.safeParse(value);
        if (!parsed.success) return exchange.problem(invalidBody(bodyFaults(parsed.error)));
        void this.answer(exchange, () => answer({ ...begun, path, body: parsed.data, nowMs: this.options.now() })).catch((error: unknown) => this.front.answerError(exchange, error));
      });
    };
  }

  /** A method that changes something and has no body: what it needs stands in the query. A body that comes all the same is dropped. */
  remove<Schema extends z.ZodObject>(schema: Schema, answer: (request: WriteRequest<z.output<Schema>, null>) => Promise<RouteAnswer> | RouteAnswer): RouteMethod {
    return (exchange, head, path) => {
      const begun = this.beginWrite(exchange, head, schema);
      if (begun === null || !this.intake.enter(exchange)) return;
      return this.answer(exchange, () => answer({ ...begun, path, body: null, nowMs: this.options.now() }));
    };
  }

  /** What the head of a write says; null when it was refused. */
  private beginWrite<Schema extends z.ZodObject>(exchange: Exchange, head: HttpRequest, schema: Schema): { query: z.output<Schema>; version: number | null } | null {
    if (!mayWrite(head.getHeader('origin'), head.getHeader('host'), this.options.ownHosts)) {
      exchange.problem(FOREIGN_ORIGIN);
      return null;
    }
    const query = parseQuery(schema, head.getQuery() ?? '');
    if (isProblem(query)) {
      exchange.problem(query);
      return null;
    }
    const version = head.getHeader('if-none-match').trim() === '*' ? 0 : versionOfIfMatch(head.getHeader('if-match'));
    if (version === 'invalid') {
      exchange.problem(INVALID_IF_MATCH);
      return null;
    }
    return { query, version };
  }

  private async answer(exchange: Exchange, ask: () => Promise<RouteAnswer> | RouteAnswer): Promise<void> {
    const { queriesInFlightMax } = this.options;
    if (this.queriesInFlight >= queriesInFlightMax) {
      this.refused++;
      return exchange.problem({ status: 503, code: 'overloaded', detail: `${queriesInFlightMax} queries are being answered already. Try again.`, retryAfterSeconds: 1 });
    }
    this.queriesInFlight++;
    try {
      sendAnswer(exchange, await ask());
    } catch (error) {
      exchange.problem(problemOfQuery(error));
    } finally {
      this.queriesInFlight--;
    }
  }

  stats(): { queriesInFlight: number; queriesRefused: number } {
    return { queriesInFlight: this.queriesInFlight, queriesRefused: this.refused };
  }
}

function sendAnswer(exchange: Exchange, answered: RouteAnswer): void {
  if (isProblem(answered)) return exchange.problem(answered);
  const { document, version, location, file } = answered;
  const headers = [...ANSWER_HEADERS];
  if (version !== undefined) headers.push(['etag', `"${version}"`]);
  if (location !== undefined) headers.push(['location', location]);
  if (file !== undefined) {
    headers.push(['content-disposition', `attachment; filename="${file.name}"`]);
    if (typeof file.nextCursor === 'string') headers.push(['x-next-cursor', file.nextCursor]);
    exchange.reply(200, file.type, file.content, headers);
  } else if (document === null) exchange.empty(204, headers);
  else exchange.json(location === undefined ? 200 : 201, document, headers);
}

/** The answer to an error that the question itself caused; others are thrown on. */
function problemOfQuery(error: unknown): Problem {
  if (error instanceof OperationalError && (error.code === 'invalid_cursor' || error.code === 'bad_cursor')) {
    return invalidQuery([{ parameter: 'cursor', message: 'not a nextCursor of this list; start again without one' }]);
  }
  const refusal = problemOfRefusal(error);
  if (refusal === null) throw error;
  return refusal;
}

/** The version in `"7"`; null for none, or for `*`: any. */
function versionOfIfMatch(header: string): number | null | 'invalid' {
  const text = header.trim();
  if (text === '' || text === '*') return null;
  const [, digits] = /^"(\d{1,15})"$/.exec(text) ?? [];
  return digits === undefined ? 'invalid' : Number(digits);
}

const NO_SUCH_NAME: Problem = { status: 404, code: 'not_found', detail: `Nothing has a name of more than ${NAME_BYTES_MAX} bytes.` };
const FOREIGN_ORIGIN: Problem = {
  status: 403,
  code: 'foreign_origin',
  detail: 'A page of another site may not change anything here. Behind a proxy the engine has to know the name that browsers use.',
};
const INVALID_IF_MATCH: Problem = { status: 400, code: 'invalid_if_match', detail: 'If-Match takes one ETag as it was sent, such as "7", or *.' };

/** Percent escapes undone; a name with a broken escape is left as it is, and no meter or region is called that. */
function decodedParameter(raw: string): string {
  try {
    return decodeURIComponent(raw);
  } catch {
    return raw;
  }
}

/** 404 for a thing that the engine has never heard of; the code is the noun after `unknown_`. */
export function unknownThing(noun: string, name: string, hint: string): Problem {
  const shown = name.length > 64 ? `${name.slice(0, 64)}…` : name;
  return { status: 404, code: `unknown_${noun.replaceAll(' ', '_')}`, detail: `There is no ${noun} ${JSON.stringify(shown)}. ${hint}` };
}
