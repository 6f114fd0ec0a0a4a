import type { HttpRequest } from 'uWebSockets.js';
import { z } from 'zod';
import { invariant } from '../runtime/errors.ts';
import type { Principal } from '../model/access.ts';
import type { AlertsPort } from './alerts-port.ts';
import { BY_CHARS_MAX, bodyFaults, byField, invalidBody } from './body-fields.ts';
import type { EnginePort } from './engine-port.ts';
import type { Exchange } from './exchange.ts';
import type { Guard } from './guard.ts';
import type { HttpFront, HttpMethod } from './http-front.ts';
import { isFinal, REPLAYED, type IdempotencyKeys, type KeptAnswer } from './idempotency.ts';
import { jsonValue, unsupportedBody, type JsonIntake } from './json-intake.ts';
import { isPlainObject } from './json-merge.ts';
import type { AnyOperation, Operation, ScopedRequest } from './operation.ts';
import { mayWrite } from './own-pages.ts';
import type { Problem } from './problem-details.ts';
import { isProblem, parseForeignQuery, parseQuery } from './query-parameters.ts';
import type { RegistryPort } from './registry-port.ts';
import { problemOfQuery, renderedAnswer, renderedProblem, send, type RouteAnswer } from './route-answers.ts';
import { judgedRows, rowFormatOf, ROWS_MAX, type JudgedRow } from './row-bodies.ts';
import type { TariffsPort } from './tariffs-port.ts';
import type { WriteNote } from './write-note.ts';

/** What every route of the gateway does: look who asks and whether they may, where a write comes from, at the query and the body; take a slot; ask the engine; answer. */

/** Who is at the other end. `address` and `requestId` are empty unless the operation names header fields. */
export interface Caller {
  /** IP address of the peer. */
  address: string;
  requestId: string;
  /** Those that the operation names; empty where one was not sent. */
  headers: Readonly<Record<string, string>>;
}

/** What a route is given: its path parameters decoded and in order, its query checked, and the time it came at. */
export interface RouteRequest<Query> extends Caller {
  /** NOBODY of a public operation. */
  principal: Principal;
  path: readonly string[];
  query: Query;
  nowMs: number;
}

export interface WriteRequest<Query, Body> extends RouteRequest<Query> {
  body: Body;
  /** Of If-Match: the version that the client has seen; 0 of `If-None-Match: *`, which wants none to be there; null when it did not say. */
  version: number | null;
}

/** What one method of a path does and says of itself, made by `read`, `write`, `writeWith` or `remove`. */
export interface RouteMethod {
  readonly operation: AnyOperation;
  readonly query: z.ZodObject;
  /** null: it takes no body. */
  readonly body: z.ZodType | null;
  /** Takes NDJSON as well: a row a line. */
  readonly takesNdjson?: boolean;
  /** `path` are its parameters, decoded. */
  run(exchange: Exchange, head: HttpRequest, path: readonly string[]): void | Promise<void>;
}

/** A method where it is served. */
export interface ServedOperation {
  method: HttpMethod;
  /** As `/api/v1/meters/:meterId`. */
  path: string;
  route: RouteMethod;
}

type Answering<Request> = (request: Request) => Promise<RouteAnswer> | RouteAnswer;

const NO_QUERY = z.object({});
/** Longest name in a path. Ids of deliveries are the longest there are, at some hundred bytes; stores take keys of 1,978 bytes, and some are made of several ids. */
const NAME_BYTES_MAX = 512;

export interface GatewayRoutesOptions {
  now: () => number;
  queriesInFlightMax: number;
  /** `host:port` by which browsers reach the engine, beside its addresses. */
  ownHosts: readonly string[];
  /** Origins of other sites whose pages may write as well. */
  corsOrigins: readonly string[];
}

export interface GatewayRoutesModules {
  front: HttpFront;
  intake: JsonIntake;
  /** Of bodies of many rows. */
  rowIntake: JsonIntake;
  guard: Guard;
  keys: IdempotencyKeys;
  engine: EnginePort;
  alerts: AlertsPort;
  tariffs: TariffsPort;
  registry: RegistryPort;
}

/** Routes in front of one engine and its supervisors. */
export class GatewayRoutes {
  readonly engine: EnginePort;
  readonly alerts: AlertsPort;
  readonly tariffs: TariffsPort;
  readonly registry: RegistryPort;
  /** All that are served, in the order in which they were added. */
  readonly served: ServedOperation[] = [];
  private readonly front: HttpFront;
  private readonly intake: JsonIntake;
  private readonly rowIntake: JsonIntake;
  private readonly guard: Guard;
  private readonly keys: IdempotencyKeys;
  private readonly options: GatewayRoutesOptions;
  private queriesInFlight = 0;
  private refused = 0;

  constructor(modules: GatewayRoutesModules, options: GatewayRoutesOptions) {
    this.front = modules.front;
    this.intake = modules.intake;
    this.rowIntake = modules.rowIntake;
    this.guard = modules.guard;
    this.keys = modules.keys;
    this.engine = modules.engine;
    this.alerts = modules.alerts;
    this.tariffs = modules.tariffs;
    this.registry = modules.registry;
    this.options = options;
  }

  /** Serves GET alone of one uWebSockets pattern, such as `/api/v1/meters/:meterId`. */
  get<Schema extends z.ZodObject>(path: string, operation: Operation<z.output<Schema>, null>, schema: Schema, answer: Answering<RouteRequest<z.output<Schema>>>): void {
    this.serve(path, { GET: this.read(operation, schema, answer) });
  }

  /** Serves all methods that a pattern has; once for each pattern. */
  serve(path: string, methods: Partial<Record<HttpMethod, RouteMethod>>): void {
    const parameterCount = path.split('/').filter((part) => part.startsWith(':')).length;
    const names = (head: HttpRequest) => Array.from({ length: parameterCount }, (_, at) => decodedParameter(head.getParameter(at) ?? ''));
    const handler = ({ run }: RouteMethod) => (exchange: Exchange, head: HttpRequest) => {
      const path = names(head);
      return path.every((name) => Buffer.byteLength(name) <= NAME_BYTES_MAX) ? run(exchange, head, path) : exchange.problem(NO_SUCH_NAME);
    };
    this.front.route(path, Object.fromEntries(Object.entries(methods).map(([method, route]) => [method, handler(route)])));
    for (const [method, route] of Object.entries(methods)) this.served.push({ method: method as HttpMethod, path, route });
  }

  /** A method that only looks. */
  read<Schema extends z.ZodObject>(operation: Operation<z.output<Schema>, null>, schema: Schema, answer: Answering<RouteRequest<z.output<Schema>>>): RouteMethod {
    const run: RouteMethod['run'] = (exchange, head, path) => {
      const admitted = this.guard.admit(exchange, head, operation);
      if (admitted === null) return;
      const rawQuery = head.getQuery() ?? '';
      const seenTags = head.getHeader('if-none-match');
      const caller = callerOf(exchange, head, operation);
      const go = (principal: Principal): void | Promise<void> => {
        const query = operation.foreignQuery === true ? parseForeignQuery(schema, rawQuery) : parseQuery(schema, rawQuery);
        if (isProblem(query)) return exchange.problem(query);
        const request = { ...caller, principal, path, query, nowMs: this.options.now() };
        return this.answer(exchange, operation, { ...request, seenTags, body: null }, () => answer(request));
      };
      return admitted instanceof Promise ? admitted.then((principal) => (principal === null ? undefined : go(principal))) : go(admitted);
    };
    return { operation, query: schema, body: null, run };
  }

  /** A method that changes something and has a JSON body. */
  write<Body>(operation: Operation<object, NoInfer<Body>>, schema: z.ZodType<Body>, answer: Answering<WriteRequest<object, Body>>): RouteMethod {
    return this.writeWith(operation, NO_QUERY, schema, answer);
  }

  /** The same where the body is a document of its own, and what else is to be said stands in the query. */
  writeWith<Schema extends z.ZodObject, Body>(operation: Operation<z.output<Schema>, NoInfer<Body>>, querySchema: Schema, schema: z.ZodType<Body>, answer: Answering<WriteRequest<z.output<Schema>, Body>>): RouteMethod {
    const saysWho = namesWho(schema);
    const bodyOf = (text: string, _: 'json', principal: Principal): { body: Body } | Problem => {
      const json = jsonValue(text);
      if (isProblem(json)) return json;
      const parsed = schema.safeParse(saysWho ? inTheNameOf(principal, json.value) : json.value);
      return parsed.success ? { body: parsed.data } : invalidBody(bodyFaults(parsed.error));
    };
    const formatOf = (type: string, coding: string): 'json' | Problem => unsupportedBody(type, coding) ?? 'json';
    return { operation, query: querySchema, body: schema, run: this.writing(operation, querySchema, operation.isBulk === true ? this.rowIntake : this.intake, formatOf, bodyOf, answer) };
  }

  /** The same for a body of many rows, each of which `answer` finds judged when it gets to it. */
  writeRows<Schema extends z.ZodObject, Row>(operation: Operation<z.output<Schema>, never>, querySchema: Schema, row: z.ZodType<Row>, answer: Answering<WriteRequest<z.output<Schema>, Iterable<JudgedRow<Row>>>>): RouteMethod {
    const bodyOf = (text: string, format: 'json' | 'ndjson'): { body: Iterable<JudgedRow<Row>> } | Problem => {
      const rows = judgedRows(text, format, row);
      return isProblem(rows) ? rows : { body: rows };
    };
    return { operation, query: querySchema, body: z.array(row).min(1).max(ROWS_MAX), takesNdjson: true, run: this.writing(operation, querySchema, this.rowIntake, rowFormatOf, bodyOf, answer) };
  }

  /** Judges the head, collects the body, makes of it what is to be answered. */
  private writing<Schema extends z.ZodObject, Format extends string, Body>(
    operation: AnyOperation,
    querySchema: Schema,
    intake: JsonIntake,
    formatOf: (type: string, coding: string) => Format | Problem,
    bodyOf: (text: string, format: Format, principal: Principal) => { body: Body } | Problem,
    answer: Answering<WriteRequest<z.output<Schema>, Body>>,
  ): RouteMethod['run'] {
    return (exchange, head, path) => {
      const format = formatOf(head.getHeader('content-type'), head.getHeader('content-encoding'));
      const begun = this.beginWrite(exchange, head, operation, querySchema, typeof format === 'string' ? null : format);
      if (begun === null || !intake.enter(exchange)) return;
      const finish = (write: Begun<z.output<Schema>>, text: string): void | Promise<void> => {
        const judged = bodyOf(text, format as Format, write.principal);
        if (isProblem(judged)) return exchange.problem(judged);
        const request = { ...write, path, body: judged.body, nowMs: this.options.now() };
        return this.answerWrite(exchange, operation, request, text, () => answer(request));
      };
      intake.collectText(exchange, head, (text) => {
        const finished = begun instanceof Promise ? begun.then((write) => (write === null ? undefined : finish(write, text))) : finish(begun, text);
        if (finished !== undefined) finished.catch((error: unknown) => this.front.answerError(exchange, error));
      });
    };
  }

  /** A method that changes something and has no body: what it needs stands in the query. A body that comes all the same is dropped. */
  remove<Schema extends z.ZodObject>(operation: Operation<z.output<Schema>, null>, schema: Schema, answer: Answering<WriteRequest<z.output<Schema>, null>>): RouteMethod {
    const run: RouteMethod['run'] = (exchange, head, path) => {
      const begun = this.beginWrite(exchange, head, operation, schema, null);
      if (begun === null || !this.intake.enter(exchange)) return;
      const finish = (write: Begun<z.output<Schema>>): void | Promise<void> => {
        const request = { ...write, path, body: null, nowMs: this.options.now() };
        return this.answerWrite(exchange, operation, request, '', () => answer(request));
      };
      return begun instanceof Promise ? begun.then((write) => (write === null ? undefined : finish(write))) : finish(begun);
    };
    return { operation, query: schema, body: null, run };
  }

  /** What the head of a write says; null when it was refused. Only where the token has to be looked up that is known later. */
  private beginWrite<Schema extends z.ZodObject>(
    exchange: Exchange,
    head: HttpRequest,
    operation: AnyOperation,
    schema: Schema,
    bodyFault: Problem | null,
  ): Begun<z.output<Schema>> | null | Promise<Begun<z.output<Schema>> | null> {
    const origin = head.getHeader('origin');
    if (!mayWrite(origin, head.getHeader('host'), this.options.ownHosts) && !this.options.corsOrigins.includes(origin)) {
      exchange.problem(FOREIGN_ORIGIN);
      return null;
    }
    const admitted = this.guard.admit(exchange, head, operation);
    if (admitted === null) return null;
    const rawQuery = head.getQuery() ?? '';
    const target = head.getUrl();
    const { method } = exchange;
    // What is for everybody is nobody's: their answers are not kept, and one's are not another's.
    const idempotencyKey = operation.access === 'public' ? '' : head.getHeader('idempotency-key');
    const version = head.getHeader('if-none-match').trim() === '*' ? 0 : versionOfIfMatch(head.getHeader('if-match'));
    const caller = callerOf(exchange, head, operation);
    const judge = (principal: Principal): Begun<z.output<Schema>> | null => {
      const note = this.guard.watch(exchange, principal, operation, target);
      const query = parseQuery(schema, rawQuery, nameOf(principal));
      const fault = isProblem(query) ? query : version === 'invalid' ? INVALID_IF_MATCH : bodyFault;
      if (fault !== null) {
        exchange.problem(fault);
        return null;
      }
      return { ...caller, principal, query: query as z.output<Schema>, version: version as number | null, note, idempotencyKey, method, target: `${target}?${rawQuery}` };
    };
    return admitted instanceof Promise ? admitted.then((principal) => (principal === null ? null : judge(principal))) : judge(admitted);
  }

  /** Does a write, once for each Idempotency-Key, and has it noted before and after. */
  private answerWrite(exchange: Exchange, operation: AnyOperation, request: Asked & Begun<object>, text: string, ask: () => Promise<RouteAnswer> | RouteAnswer): void | Promise<void> {
    const { idempotencyKey, principal, method, target, note } = request;
    const key = idempotencyKey === '' ? null : this.keys.begin(idempotencyKey, principal, operation.id, { method, target, body: text });
    if (key?.kind === 'refused') return exchange.problem(key.problem);
    if (key?.kind === 'again') {
      // Noted when it was done.
      note?.drop();
      return send(exchange, { ...key.answer, headers: [...key.answer.headers, REPLAYED] });
    }
    let isSettled = false;
    const settled = (answer: KeptAnswer | null): void => {
      if (isSettled) return;
      isSettled = true;
      const final = answer !== null && isFinal(answer.status) ? answer : null;
      if (answer !== null) note?.end(answer.status, key === null ? null : final);
      // Nobody waits for the answer that an unexpected error gets.
      else if (!exchange.isOpen) note?.end(500, null);
      key?.done(final);
    };
    const go = () => this.answer(exchange, operation, request, ask, settled);
    if (note === null) return go();
    return note.begin(key?.key ?? null).then(go, (error: unknown) => {
      settled(null);
      throw error;
    });
  }

  private async answer(exchange: Exchange, operation: AnyOperation, request: Asked, ask: () => Promise<RouteAnswer> | RouteAnswer, settled?: (answer: KeptAnswer | null) => void): Promise<void> {
    const { queriesInFlightMax } = this.options;
    if (this.queriesInFlight >= queriesInFlightMax) {
      this.refused++;
      settled?.(null);
      return exchange.problem({ status: 503, code: 'overloaded', detail: `${queriesInFlightMax} queries are being answered already. Try again.`, retryAfterSeconds: 1 });
    }
    this.queriesInFlight++;
    try {
      const refusal = this.guard.refusal(request.principal, operation, request);
      const answered = (refusal instanceof Promise ? await refusal : refusal) ?? (await ask());
      invariant(!('page' in answered) || !isOfRows(operation), 'rows of others are left out of documents alone');
      const own = isProblem(answered) || answered.document === null ? answered : { ...answered, document: this.guard.ownRows(request.principal, operation, answered.document) };
      const rendered = isProblem(own) ? renderedProblem(own, exchange.requestId) : renderedAnswer(own, request.seenTags);
      settled?.(rendered);
      send(exchange, rendered);
    } catch (error) {
      const problem = problemOfQuery(error);
      settled?.(renderedProblem(problem, exchange.requestId));
      exchange.problem(problem);
    } finally {
      settled?.(null);
      this.queriesInFlight--;
    }
  }

  stats(): { queriesInFlight: number; queriesRefused: number } {
    return { queriesInFlight: this.queriesInFlight, queriesRefused: this.refused };
  }
}

/** What is known when the engine is asked. */
interface Asked extends ScopedRequest<object, unknown> {
  principal: Principal;
  /** If-None-Match of a question; absent of a write. */
  seenTags?: string;
}

/** A write whose head was judged. */
interface Begun<Query> extends Caller {
  principal: Principal;
  query: Query;
  version: number | null;
  /** On its way into the audit log; null: nothing is noted. */
  note: WriteNote | null;
  /** As it came; empty without one. */
  idempotencyKey: string;
  method: string;
  /** Path and query, as they came. */
  target: string;
}

function callerOf(exchange: Exchange, head: HttpRequest, { headers }: AnyOperation): Caller {
  if (headers === undefined) return { address: '', requestId: '', headers: {} };
  return { address: exchange.remoteAddress(), requestId: exchange.requestId, headers: Object.fromEntries(headers.map((name) => [name, head.getHeader(name)])) };
}

/** Whether a document has a field for who sends it. */
function namesWho(schema: z.ZodType): boolean {
  return schema instanceof z.ZodObject && 'by' in schema.shape;
}

/** Who is logged in acts in no other name. */
function nameOf(principal: Principal): { by?: string } {
  return principal.kind === 'user' ? { by: principal.name.slice(0, BY_CHARS_MAX) } : {};
}

/** A name that could be nobody's stays, and is refused as it is where nobody is logged in. */
function inTheNameOf(principal: Principal, value: unknown): unknown {
  if (!isPlainObject(value)) return value;
  const { by } = value as { by?: unknown };
  return by === undefined || byField.safeParse(by).success ? { ...value, ...nameOf(principal) } : value;
}

function isOfRows({ access }: AnyOperation): boolean {
  return typeof access !== 'string' && access.scope === 'rows';
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
