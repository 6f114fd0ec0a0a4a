import type { Random } from '../sim/random.ts';
import { exampleTarget, type RequestExample } from '../support/request-examples.ts';

/** Requests that are almost right: an example of an operation with something in it put out of order. */

export interface FuzzedRequest {
  id: string;
  method: string;
  /** As it goes on the wire. */
  target: string;
  headers: Record<string, string>;
  body: string | Uint8Array | undefined;
}

export interface DocumentedOperation {
  id: string;
  method: string;
  path: string;
  /** Names of its query. */
  query: readonly string[];
  hasBody: boolean;
  /** For everybody, without a token. */
  isPublic: boolean;
}

/** Texts that have broken a program somewhere: markup, formulas, paths, queries, formats, control and bidirectional characters, halves of surrogates, names of JavaScript. */
export const ODD_TEXTS: readonly string[] = [
  '', ' ', '\0', 'a\0b', '\r\nset-cookie: x=1', '<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', '=1+1', '@SUM(A1)', "' OR '1'='1", '"; DROP TABLE alerts; --', '../../etc/passwd',
  '..%2f..%2f', '%00', '%', '%zz', '${7*7}', '{{7*7}}', '%s%n%x', '__proto__', 'constructor', 'toString', 'null', 'NaN', '-0', '1e999', '9007199254740993', '0x10', 'true', '\u202eabc', '\ufeff', '\ud800', '💡'.repeat(40),
  'é', 'e\u0301', 'a'.repeat(65), 'a'.repeat(5_000), '2026-02-30T00:00:00Z', '2026-01-01', '9999-12-31T23:59:60Z', '-271821-04-20T00:00:00Z', '275760-09-13', 'Europe/Berlin', 'Mars/Phobos', ',', ';', '*', '[]', '{}', 'north', 'meter:1',
];

const ODD_VALUES: readonly unknown[] = [null, true, false, 0, -1, -0, 0.1, 1e21, 1e308, 2 ** 53, -(2 ** 63), [], {}, [[]], [null], { a: 1 }, { __proto__: null }, ...ODD_TEXTS];

/** Bodies that are no JSON, or none that anybody means. */
const ODD_BODIES: readonly (string | Uint8Array)[] = [
  '', ' ', '{', '[', '"', 'null', '[]', '{}', '0', 'nul', '{"a":1,"a":2}', '{"__proto__":{"x":1}}', '{"constructor":{"prototype":{"x":1}}}', '\ufeff{}', '{}{}', '[1,]', "{'a':1}", '{"a":NaN}', '"\\ud800"', '[1e9999]',
  '['.repeat(20_000) + ']'.repeat(20_000), '{"a":'.repeat(20_000), Uint8Array.of(0xff, 0xfe, 0x7b), Uint8Array.of(0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d), `{"a":"${'x'.repeat(300_000)}"}`,
];

const ODD_HEADERS: readonly (readonly [string, string])[] = [
  ['content-type', 'text/plain'], ['content-type', 'application/json; charset=utf-16'], ['content-type', ''], ['content-encoding', 'gzip'], ['if-match', '"x"'], ['if-match', 'W/"1"'], ['if-match', '*'], ['if-match', '"99999999999999999999"'],
  ['if-none-match', '*'], ['if-none-match', '"'], ['idempotency-key', '"'], ['idempotency-key', 'x'.repeat(300)], ['accept', 'text/html'], ['accept', '*/*;q=0'], ['accept-language', '*;q=1,xx-XX-XX'], ['x-request-id', '<script>'], ['traceparent', '00-0-0-0'],
  ['range', 'bytes=0-1'], ['expect', '100-continue'], ['origin', 'null'], ['x-forwarded-for', '127.0.0.1'], ['x-http-method-override', 'DELETE'], ['cookie', 'a=b; __proto__=1'], ['host', 'localhost'],
];

/** One to three things out of order; now and then none, so that something is there to ask for. */
export function fuzzedRequest(random: Random, { id, method, path, query, hasBody }: DocumentedOperation, example: RequestExample): FuzzedRequest {
  const { path: values = [] } = example;
  let parameters: [string, string][] = Object.entries(example.query ?? {});
  let named = [...values];
  let body = example.body;
  let raw: string | Uint8Array | undefined;
  const headers: Record<string, string> = hasBody ? { 'content-type': 'application/json' } : {};
  for (let faults = random.int(0, 3); faults > 0; faults--) {
    const place = random.int(0, 5);
    if (place === 0 && named.length > 0) named = named.with(random.int(0, named.length - 1), random.pick(ODD_TEXTS));
    else if (place === 1) parameters = [...parameters, [query.length > 0 && random.chance(0.8) ? random.pick(query) : 'further', random.pick(ODD_TEXTS)]];
    else if (place === 2 && parameters.length > 0) parameters = parameters.toSpliced(random.int(0, parameters.length - 1), 1);
    else if (place === 3) Object.assign(headers, Object.fromEntries([random.pick(ODD_HEADERS)]));
    else if (hasBody && place === 4 && random.chance(0.3)) raw = random.pick(ODD_BODIES);
    else if (hasBody) body = mutated(random, body);
  }
  const target = exampleTarget(path, { path: named.map(wellFormed) }) + (parameters.length === 0 ? '' : `?${new URLSearchParams(parameters)}`);
  return { id, method, target, headers, body: hasBody ? (raw ?? JSON.stringify(body)) : undefined };
}

/** A half of a surrogate has no place in an address. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}

/** The value with one thing in it another, gone, or added. */
function mutated(random: Random, value: unknown): unknown {
  if (Array.isArray(value) && value.length > 0 && random.chance(0.8)) {
    const at = random.int(0, value.length - 1);
    const kind = random.int(0, 9);
    if (kind === 0) return value.toSpliced(at, 1);
    if (kind === 1) return [...value, ...value];
    if (kind === 2) return Array.from({ length: 300 }, () => value[at] as unknown);
    return value.with(at, mutated(random, value[at]));
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && random.chance(0.9)) {
    const entries = Object.entries(value);
    const kind = random.int(0, 9);
    if (entries.length === 0 || kind === 0) return Object.fromEntries([...entries, [random.pick(ODD_TEXTS), random.pick(ODD_VALUES)]]);
    const at = random.int(0, entries.length - 1);
    const [name, inner] = entries[at];
    if (kind === 1) return Object.fromEntries(entries.toSpliced(at, 1));
    return Object.fromEntries(entries.with(at, [name, mutated(random, inner)]));
  }
  return random.pick(ODD_VALUES);
}
