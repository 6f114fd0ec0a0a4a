import type { z } from 'zod';
import { OperationalError } from '../runtime/errors.ts';
import type { EnginePort } from './engine-port.ts';
import type { HeaderFields } from './exchange.ts';
import type { HttpFront } from './http-front.ts';
import type { Problem } from './problem-details.ts';
import { invalidQuery, isProblem, parseQuery } from './query-parameters.ts';

/** What every route of the gateway does: check the query, take a slot, ask the engine, answer. */

/** Answers are of the moment and for this client alone. */
const ANSWER_HEADERS: HeaderFields = [
  ['cache-control', 'no-store'],
  ['x-content-type-options', 'nosniff'],
];

/** What a route is given: its path parameters decoded and in order, its query checked, and the time it came at. */
export interface RouteRequest<Query> {
  path: readonly string[];
  query: Query;
  nowMs: number;
}

/** The document of a 200, or why there is none. */
export type RouteAnswer = { document: object } | Problem;

/** GET routes in front of one engine. */
export class GatewayRoutes {
  readonly engine: EnginePort;
  private readonly front: HttpFront;
  private readonly now: () => number;
  private readonly queriesInFlightMax: number;
  private queriesInFlight = 0;
  private refused = 0;

  constructor(front: HttpFront, engine: EnginePort, options: { now: () => number; queriesInFlightMax: number }) {
    this.front = front;
    this.engine = engine;
    this.now = options.now;
    this.queriesInFlightMax = options.queriesInFlightMax;
  }

  /** Serves one uWebSockets pattern, such as `/api/v1/meters/:meterId`. */
  get<Schema extends z.ZodObject>(
    path: string,
    schema: Schema,
    answer: (request: RouteRequest<z.output<Schema>>) => Promise<RouteAnswer> | RouteAnswer,
  ): void {
    const parameterCount = path.split('/').filter((part) => part.startsWith(':')).length;
    this.front.route(path, {
      GET: async (exchange, head) => {
        const nowMs = this.now();
        const query = parseQuery(schema, head.getQuery() ?? '');
        if (isProblem(query)) return exchange.problem(query);
        const names = Array.from({ length: parameterCount }, (_, at) => decodedParameter(head.getParameter(at) ?? ''));
        if (this.queriesInFlight >= this.queriesInFlightMax) {
          this.refused++;
          return exchange.problem(this.tooManyQueries());
        }
        this.queriesInFlight++;
        try {
          const answered = await answer({ path: names, query, nowMs });
          if ('document' in answered) exchange.json(200, answered.document, ANSWER_HEADERS);
          else exchange.problem(answered);
        } catch (error) {
          if (!(error instanceof OperationalError) || error.code !== 'invalid_cursor') throw error;
          exchange.problem(invalidQuery([{ parameter: 'cursor', message: 'not a nextCursor of this list; start again without one' }]));
        } finally {
          this.queriesInFlight--;
        }
      },
    });
  }

  stats(): { queriesInFlight: number; queriesRefused: number } {
    return { queriesInFlight: this.queriesInFlight, queriesRefused: this.refused };
  }

  private tooManyQueries(): Problem {
    return {
      status: 503,
      code: 'overloaded',
      detail: `${this.queriesInFlightMax} queries are being answered already. Try again.`,
      retryAfterSeconds: 1,
    };
  }
}

/** Percent escapes undone; a name with a broken escape is left as it is, and no meter or region is called that. */
function decodedParameter(raw: string): string {
  try {
    return decodeURIComponent(raw);
  } catch {
    return raw;
  }
}

/** 404 for a meter or region that the engine has never heard of. */
export function unknownThing(noun: 'meter' | 'region', name: string, hint: string): Problem {
  const shown = name.length > 64 ? `${name.slice(0, 64)}…` : name;
  return { status: 404, code: `unknown_${noun}`, detail: `There is no ${noun} ${JSON.stringify(shown)}. ${hint}` };
}
