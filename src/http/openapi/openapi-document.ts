import { z } from 'zod';
import type { ServedOperation } from '../gateway-routes.ts';
import { TAGS, type Access } from '../operation.ts';
import { STATUS_PHRASE } from '../problem-details.ts';
import { NDJSON } from '../row-bodies.ts';
import { exampleOf } from './field-examples.ts';
import type { JsonSchema } from './json-schema.ts';
import { linksOf } from './operation-links.ts';
import { SchemaBook } from './schema-book.ts';

/** The API as an OpenAPI 3.1 document, made of the operations as they are served and the schemas that check them, so that it says nothing else. */

export interface OpenApiOptions {
  /** Of the engine. */
  version: string;
  /** With accounts a token is needed, and nobody says who they are. */
  accountsOn: boolean;
}

type Part = Record<string, unknown>;

/** A fault of a query or of a body. */
const fault = z.strictObject({ parameter: z.string().optional().describe('Of a query.'), path: z.string().optional().describe('Of a body, as `match.regions[0]`.'), message: z.string() });
const problem = z
  .looseObject({
    type: z.string().describe('`urn:seg:problem:` and the code.'),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('What was wrong with this request and what to do about it, for people.'),
    code: z.string().describe('A word that a program can switch on.'),
    requestId: z.string().describe('Stands in the log of the engine.'),
    instance: z.string().optional(),
    faults: z.array(fault).optional(),
  })
  .meta({ id: 'Problem' });

/** What may come of any request: supervisors refuse questions, too, as of too many days. */
const OF_ALL = [400, 404, 409, 421, 422, 429, 500, 503, 504];
const OF_MEMBERS = [401, 403];
/** Of what is for everybody some takes a password, or a token of another kind. */
const OF_LOG_INS = [401];
const OF_WRITES = [403];
const OF_BODIES = [408, 413, 415];

const LIMITS = { 'RateLimit-Policy': { description: 'As `"account";q=6000;w=60`: requests, and seconds.', schema: { type: 'string' } }, RateLimit: { description: 'As `"account";r=5990;t=1`: requests left, and seconds until all are there again.', schema: { type: 'string' } } };
const RETRY_AFTER = { 'Retry-After': { description: 'Seconds after which another try makes sense.', schema: { type: 'integer', minimum: 0 } } };
const WORDS: Readonly<Record<number, string>> = {
  400: 'The query, a header field or the JSON is not what is expected.',
  401: 'There is no token, or it does not count; or a password is wrong.',
  403: 'The role is not enough, or a page of another site wants to write.',
  404: 'There is no such thing, or it is not theirs.',
  408: 'The body came too slowly.',
  409: 'Something is not as the request expects it.',
  413: 'The body is too large.',
  415: 'The body is no JSON in UTF-8.',
  421: 'Without accounts the engine answers at addresses and names of its own alone.',
  422: 'The body is JSON and not what is expected; `faults` has each. Or a question is more than can be answered at once.',
  429: 'Too many requests.',
  500: 'The engine failed on this.',
  503: 'A part of the engine is away or full.',
  504: 'A part of the engine did not answer in time.',
};

/** Of uWebSockets itself, before there is a request to be answered. */
const HEAD_TOO_LONG = { description: 'The head of the request is too long or has too many fields. This answer is no document, and the connection is closed.' };

export function openApiDocument(operations: readonly ServedOperation[], { version, accountsOn }: OpenApiOptions): object {
  const book = new SchemaBook();
  const problemSchema = book.answer(problem);
  const paths: Record<string, Part> = {};
  for (const served of operations) {
    const item = (paths[openPath(served.path)] ??= {});
    item[served.method.toLowerCase()] = operationPart(served, operations, book, accountsOn);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Smart Energy Grid', version, summary: 'What the engine behind a smart-meter fleet knows, and what it can be told.', description: DESCRIPTION },
    servers: [{ url: '/' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    security: accountsOn ? [{ token: [] }] : [],
    paths,
    components: {
      schemas: book.components,
      responses: Object.fromEntries(Object.entries(WORDS).map(([status, description]) => [problemName(Number(status)), { description, ...(status === '429' ? { headers: { ...RETRY_AFTER, ...LIMITS } } : ['503', '504'].includes(status) ? { headers: RETRY_AFTER } : {}), content: { 'application/problem+json': { schema: problemSchema } } }])),
      securitySchemes: { token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'An access token, as POST /api/v1/auth/login gives it.' } },
    },
  };
}

/** As OpenAPI writes the parameters of a path. */
export function openPath(path: string): string {
  return path.replace(/:([A-Za-z]+)/g, '{$1}');
}

function operationPart(served: ServedOperation, operations: readonly ServedOperation[], book: SchemaBook, accountsOn: boolean): Part {
  const { method, path, route } = served;
  const { operation, query, body, takesNdjson } = route;
  const isWrite = method !== 'GET';
  const isPublic = operation.access === 'public';
  const parameters = [...pathParameters(path), ...queryParameters(query, book, accountsOn), ...(!isWrite ? [IF_NONE_MATCH] : isPublic ? [IF_MATCH] : [IF_MATCH, IDEMPOTENCY_KEY])];
  const problems = new Set([...OF_ALL, ...(accountsOn ? (isPublic ? (isWrite ? OF_LOG_INS : []) : OF_MEMBERS) : []), ...(isWrite ? OF_WRITES : []), ...(body === null ? [] : OF_BODIES)]);
  return {
    operationId: operation.id,
    summary: operation.summary,
    description: accessWords(operation.access),
    tags: [operation.tag],
    ...(isPublic ? { security: [] } : {}),
    'x-access': accessPart(operation.access),
    parameters,
    ...(body === null ? {} : { requestBody: { required: true, content: { 'application/json': { schema: unsigned(book.request(operation.request ?? body), accountsOn) }, ...(takesNdjson === true ? { [NDJSON]: { schema: { type: 'string', description: 'A row of the array a line.' } } } : {}) } } }),
    responses: {
      ...success(served, operations, book),
      431: HEAD_TOO_LONG,
      ...Object.fromEntries([...problems].sort((a, b) => a - b).map((status) => [status, { $ref: `#/components/responses/${problemName(status)}` }])),
    },
  };
}

function success(served: ServedOperation, operations: readonly ServedOperation[], book: SchemaBook): Part {
  const { response, files = [], creates, begins } = served.route.operation;
  const isWrite = served.method !== 'GET';
  if (served.route.operation.redirects === true) return { 303: { description: 'Elsewhere: for a browser to go to.', headers: { Location: { description: 'Address to go to.', schema: { type: 'string' } } } } };
  if (response === undefined && files.length === 0) return { 204: { description: 'Done.' } };
  const answer = response === undefined ? null : book.answer(response);
  const found = answer === null ? {} : linksOf(served, operations, answer, (schema) => book.resolved(schema));
  const links = Object.keys(found).length === 0 ? {} : { links: found };
  const content = { ...(answer === null ? {} : { 'application/json': { schema: answer } }), ...Object.fromEntries(files.map((type) => [type, { schema: { type: 'string', ...(type.startsWith('text/') ? {} : { format: 'binary' }) } }])) };
  const etag = { ETag: { description: 'What it is now: given back as If-Match with a change, or as If-None-Match with the next question.', schema: { type: 'string' } } };
  const location = { Location: { description: 'Path of what was made.', schema: { type: 'string' } } };
  if (begins === true) return { 202: { description: 'Begun; it goes on by itself.', headers: location, content, ...links } };
  if (creates === true) return { 201: { description: 'Made.', headers: { ...etag, ...location }, content, ...links } };
  return { 200: { description: isWrite ? 'Done.' : 'The answer.', headers: etag, content, ...links }, ...(isWrite ? {} : { 304: { description: 'The same as the ETag in If-None-Match.' } }) };
}

function pathParameters(path: string): Part[] {
  return [...path.matchAll(/:([A-Za-z]+)/g)].map(([, name]) => {
    const schema = name === 'meterId' || name === 'region' ? { type: 'string', pattern: '^[A-Za-z0-9._:-]{1,64}$' } : { type: 'string', minLength: 1, maxLength: 512 };
    const example = exampleOf(name, schema);
    return { name, in: 'path', required: true, schema: example === undefined ? schema : { ...schema, examples: [example] } };
  });
}

function queryParameters(query: z.ZodObject, book: SchemaBook, accountsOn: boolean): Part[] {
  const { properties = {}, required = [] } = unsigned(book.request(query), accountsOn) as { properties?: Record<string, JsonSchema>; required?: string[] };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({ name, in: 'query', required: required.includes(name), ...(description === undefined ? {} : { description }), schema }));
}

/** With accounts nobody has to say who they are, and it does not count. */
function unsigned(schema: JsonSchema, accountsOn: boolean): JsonSchema {
  const { required, properties } = schema as { required?: string[]; properties?: Record<string, JsonSchema> };
  if (!accountsOn || properties?.by === undefined) return schema;
  return { ...schema, properties: { ...properties, by: { ...properties.by, deprecated: true, description: 'The name of who is logged in takes its place.' } }, required: required?.filter((name) => name !== 'by') };
}

const IF_MATCH = { name: 'If-Match', in: 'header', required: false, description: 'ETag of what is to be changed: with another one it is refused with 409. An empty one is none.', schema: { type: 'string', pattern: '^("[0-9]{1,15}"|\\*)?$' } };
const IDEMPOTENCY_KEY = { name: 'Idempotency-Key', in: 'header', required: false, description: 'Of this request alone, as a UUID in quotation marks: sent again with it, the request is answered again and not done again. An empty one is none.', schema: { type: 'string', pattern: '^("[ !#-\\[\\]-~]{1,255}"|[A-Za-z0-9._:~+/=-]{1,255})?$' } };
const IF_NONE_MATCH = { name: 'If-None-Match', in: 'header', required: false, description: 'ETag of an answer that is there already.', schema: { type: 'string' } };

function problemName(status: number): string {
  return (STATUS_PHRASE[status] ?? String(status)).replaceAll(' ', '');
}

/** For programs, and for the test that holds every operation to it. */
function accessPart(access: Access): Part | string {
  if (typeof access === 'string') return access;
  const { roles, scope } = access;
  return { roles, scope: typeof scope === 'string' ? scope : 'thing' };
}

const SCOPE_WORDS = {
  none: '',
  everything: ' of all regions',
  meter: ' of the meter; a consumer while it is theirs',
  'meter-times': ' of the meter; a consumer what lies in the time in which it is theirs',
  region: ' of the region',
  'named-meter': ' of the meter that `meterId` names; all only for who may see everything',
  'named-place': ' of the meter that `meterId` names or the region that `region` names, and a consumer of a meter; all only for who may see everything',
  rows: '; rows that are not theirs are left out, and consumers name a meter of theirs',
} as const;

/** Who may, in words. */
export function accessWords(access: Access): string {
  if (access === 'public') return 'For everybody, without a token.';
  if (access === 'signed-in') return 'For everybody who is logged in.';
  const { roles, scope } = access;
  return `For ${roles.map((role) => `${role}s`).join(', ')}${typeof scope === 'string' ? SCOPE_WORDS[scope] : ` ${scope.words}`}.`;
}

const DESCRIPTION = `Times are RFC 3339 in UTC in answers, and RFC 3339 with any offset or epoch milliseconds in questions. Money and energy of bills are decimal numbers as text.

**Lists** come in pages: \`nextCursor\` of an answer, given as \`cursor\`, goes on where it ended; \`null\` is the end. Where rows are somebody else's, pages may be shorter than \`limit\`.

**Errors** are RFC 9457 problem documents with a \`code\` for programs and a \`detail\` for people. What is not yours is answered as what does not exist.

**ETag**: of an answer, given back as If-None-Match, gets 304 where nothing changed; of a thing with a version, given back as If-Match, has a change refused with 409 when somebody else was quicker.

**Idempotency-Key** (POST, PUT, PATCH, DELETE): a write that is sent again with its key is answered again, with \`Idempotency-Replayed: true\`, and not done again, for 24 hours. With another body it gets 422, while it is under way 409. A key
whose engine ended before it was answered gets 409 \`outcome_unknown\`, one whose answer had a secret after a restart 409 \`answer_not_kept\`. What must never count twice has a name of its own besides: the reference of a payment, the month of a run, the version in If-Match.

**Limits**: \`RateLimit-Policy\` and \`RateLimit\` say how many requests an account may send and how many are left; past it 429 with Retry-After.`;
