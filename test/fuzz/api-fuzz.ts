import { request } from 'node:http';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { Random } from '../sim/random.ts';
import { REQUEST_EXAMPLES, type RequestExample } from '../support/request-examples.ts';
import { fuzzedRequest, type DocumentedOperation, type FuzzedRequest } from './api-requests.ts';

/** Sends almost right requests to every route of a running engine and holds what comes back against the API's document: never a 500, a hang or a stack trace, and nothing that the document does not say. */

/** A longer wait is a hang: the slowest answer, a tariff compared over years, takes a fraction of it. */
const ANSWER_MS_MAX = 10_000;
/** Findings kept before it gives up: more say nothing new. */
const FINDINGS_MAX = 20;
/** Of requests of who has one of somebody else's. */
const FOREIGN_SHARE = 0.4;
/** Something of the program in an answer: frames of a stack, files of ours, classes of the runtime. */
export const INSIDES = /\n\s+at |node:internal|node_modules|\/src\/[a-z]|TypeError|RangeError|ReferenceError|SyntaxError|ERR_[A-Z]+_|MDB_[A-Z]+/;

export interface ApiFuzzOptions {
  port: number;
  /** Who asks, each in turn; one without a token where the engine is open. */
  callers: readonly FuzzCaller[];
  seed: number;
  /** Whether another request is to be sent. */
  goesOn: (sent: number) => boolean;
  /** In the place of those that the fakes of other tests answer. */
  examples?: Readonly<Record<string, RequestExample>>;
  /** Operations to leave alone, as the one that ends the log-in of this very client. */
  without?: readonly string[];
}

export interface FuzzCaller {
  name: string;
  token: string | null;
  /** They have no token where one is needed: only what is public may be answered. */
  isStranger?: true;
  /** What no answer to them may have in it, in small letters. */
  marks?: readonly string[];
  /** Requests about what is somebody else's, by operation: now and then one of these is what is put out of order. */
  foreign?: Readonly<Record<string, RequestExample>>;
}

/** Whoever reaches an engine without accounts. */
export const ANYBODY: readonly FuzzCaller[] = [{ name: 'anybody', token: null }];

export interface ApiFuzzReport {
  sent: number;
  statuses: Record<number, number>;
  /** Operations that were answered with 2xx at least once. */
  succeeded: string[];
  findings: string[];
}

interface FuzzReply {
  status: number;
  type: string;
  text: string;
}

export async function fuzzApi({ port, callers, seed, goesOn, examples = REQUEST_EXAMPLES, without = [] }: ApiFuzzOptions): Promise<ApiFuzzReport> {
  const document = JSON.parse((await send(port, { id: 'getOpenApi', method: 'GET', target: '/api/v1/openapi.json', headers: {}, body: undefined }, null)).text) as Record<string, any>;
  const operations = documentedOperations(document).filter(({ id }) => !without.includes(id));
  const check = answerCheck(document);
  const random = new Random(seed);
  const statuses: Record<number, number> = {};
  const succeeded = new Set<string>();
  const findings: string[] = [];
  let sent = 0;
  for (; goesOn(sent) && findings.length < FINDINGS_MAX; sent++) {
    // Each in its turn, so that a short run has been everywhere.
    const operation = operations[sent % operations.length];
    const { name, token, isStranger = false, marks = [], foreign = {} } = callers[Math.floor(sent / operations.length) % callers.length];
    const example = (random.chance(FOREIGN_SHARE) ? foreign[operation.id] : undefined) ?? examples[operation.id] ?? {};
    const fuzzed = fuzzedRequest(random, operation, example);
    let fault: string | null;
    try {
      const reply = await send(port, fuzzed, token);
      statuses[reply.status] = (statuses[reply.status] ?? 0) + 1;
      if (reply.status < 300) succeeded.add(operation.id);
      const shown = reply.text.toLowerCase();
      fault = check(operation, reply) ?? (marks.some((mark) => shown.includes(mark)) ? `shows somebody else's: ${reply.text.slice(0, 600)}` : null);
      if (isStranger && reply.status < 300 && !operation.isPublic) fault ??= `${reply.status} without a token`;
    } catch (error) {
      fault = String(error);
    }
    if (fault !== null) findings.push(`${name}: ${fuzzed.method} ${fuzzed.target.slice(0, 300)} ${JSON.stringify(fuzzed.headers)} ${String(fuzzed.body).slice(0, 600)}\n  ${fault}`);
  }
  return { sent, statuses, succeeded: [...succeeded].sort(), findings };
}

export function documentedOperations(document: Record<string, any>): DocumentedOperation[] {
  return Object.entries<Record<string, any>>(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, { operationId: id, parameters = [], requestBody, 'x-access': access }]) => ({
      id, method: method.toUpperCase(), path, hasBody: requestBody !== undefined, isPublic: access === 'public',
      query: parameters.filter((parameter: { in: string }) => parameter.in === 'query').map(({ name }: { name: string }) => name),
    })),
  );
}

/** What is wrong with an answer by the document; null: nothing. */
export function answerCheck(document: Record<string, any>): (operation: DocumentedOperation, reply: FuzzReply) => string | null {
  const ajv = new Ajv2020({ strict: false });
  addFormats.default(ajv);
  const base = 'https://example.org/openapi.json';
  ajv.addSchema({ ...document, $id: base });
  const validators = new Map<string, ReturnType<typeof ajv.compile>>();
  const validatorAt = (pointer: string) => {
    let validate = validators.get(pointer);
    if (validate === undefined) validators.set(pointer, (validate = ajv.compile({ $ref: `${base}#${pointer}` })));
    return validate;
  };
  return ({ path, method }, { status, type, text }) => {
    if (INSIDES.test(text)) return `${status} shows insides: ${text.slice(0, 400)}`;
    if (status === 500) return `500: ${text.slice(0, 400)}`;
    // uWebSockets' own, before a route is known.
    if (status === 431 || (status === 400 && type === '')) return null;
    const declared = document.paths[path][method.toLowerCase()].responses[status];
    if (declared === undefined) return `${status} is not in the document: ${text.slice(0, 400)}`;
    const reference = declared.$ref as string | undefined;
    const response = reference === undefined ? declared : reference.slice(2).split('/').reduce((part, name) => part[name], document);
    if (response.content === undefined) return text === '' ? null : `${status} has a body: ${text.slice(0, 400)}`;
    if (response.content[type] === undefined) return `${status} is ${type}, not ${Object.keys(response.content).join(' or ')}`;
    if (!type.includes('json')) return null;
    const place = reference?.slice(1) ?? `/paths/${escaped(path)}/${method.toLowerCase()}/responses/${status}`;
    const validate = validatorAt(`${place}/content/${escaped(type)}/schema`);
    return validate(JSON.parse(text)) ? null : `${status} is not as the document says: ${JSON.stringify(validate.errors).slice(0, 600)}: ${text.slice(0, 400)}`;
  };
}

function escaped(name: string): string {
  return encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'));
}

function send(port: number, { method, target, headers, body }: FuzzedRequest, token: string | null): Promise<FuzzReply> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const sent = request({ host: '127.0.0.1', port, method, path: target, agent: false, timeout: ANSWER_MS_MAX, headers: { ...length, ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...headers } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode!, type: (response.headers['content-type'] ?? '').split(';')[0], text: Buffer.concat(chunks).toString() }));
      response.on('error', reject);
    });
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${ANSWER_MS_MAX} ms`)));
    sent.on('error', reject);
    sent.end(body);
  });
}
