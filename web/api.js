// @ts-check
import { WriteKeys } from './write-keys.js';

/** Questions to the gateway's REST interface. */

/** Answers that take longer are given up; a person has long looked away. */
const DEADLINE_MS = 10_000;
/** Bills are printed one after the other. */
const FILE_DEADLINE_MS = 60_000;

/**
 * Who asks, where the engine has accounts (account/session.js sets it). `renew` gives a new token when one has ended, null when there is none to be had.
 * @type {{ token: string | null, renew: () => Promise<string | null> }}
 */
export const credentials = { token: null, renew: async () => null };

/** What the gateway refused, in its words. */
export class Refusal extends Error {
  /** @param {number} status @param {string} code @param {string} message @param {{ path: string, message: string }[]} [faults] of a body, each with its field, as `address.city` */
  constructor(status, code, message, faults = []) {
    super(message);
    this.faults = faults;
    this.status = status;
    this.code = code;
  }
}

/**
 * The JSON answer of `GET /api/v1{path}`. Rejects with an Error whose message can be shown: what the gateway said was
 * wrong, or that it did not answer.
 *
 * @template T
 * @param {string} path
 * @param {Record<string, string | null>} query entries that are null are left out
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export async function getJson(path, query, signal) {
  return answerOf(addressOf(path, query), {}, signal);
}

/**
 * The JSON answer of `POST /api/v1{path}`; rejects as getJson does. Like every write it may be sent again where nobody answered: it is done once.
 *
 * @template T
 * @param {string} path
 * @param {object} body
 * @param {number | null} version that the sender has seen: where the thing has changed since, the gateway refuses
 * @param {object} [filled] what was filled in, where the body has a time that is counted from now: sent again, it has the body of its first try
 * @returns {Promise<T>}
 */
export async function postJson(path, body, version, filled) {
  return sendJson('POST', path, body, version, {}, filled);
}

/**
 * @template T
 * @param {'POST' | 'PUT' | 'PATCH'} method
 * @param {string} path
 * @param {object} body
 * @param {number | null} [version] as of postJson; 0: there must be none yet
 * @param {Record<string, string | null>} [query] as of getJson
 * @param {object} [filled] as of postJson
 * @returns {Promise<T>}
 */
export async function sendJson(method, path, body, version = null, query = {}, filled = body) {
  const headers = { 'content-type': 'application/json', ...seen(version) };
  return written(addressOf(path, query), { method, headers, body: JSON.stringify(body) }, filled);
}

/**
 * @template T
 * @param {string} path
 * @param {Record<string, string | null>} query
 * @param {number | null} [version] as of postJson
 * @returns {Promise<T>}
 */
export async function deleteJson(path, query, version = null) {
  return written(addressOf(path, query), { method: 'DELETE', headers: seen(version) }, null);
}

const keys = new WriteKeys();

/** @param {string} address @param {{ method: string, headers: Record<string, string>, body?: string }} request @param {object | null} filled */
async function written(address, request, filled) {
  if (!takesKey(address)) return answerOf(address, request);
  const { method, headers } = request;
  const write = JSON.stringify([method, address, headers, filled]);
  const attempt = keys.tryOf(write, request.body, Date.now());
  try {
    const answer = await answerOf(address, { method, headers: { ...headers, 'idempotency-key': `"${attempt.key}"` }, body: attempt.body });
    keys.done(attempt);
    return answer;
  } catch (error) {
    if (error instanceof Refusal && isOfTheWrite(error)) keys.refused(write, attempt);
    else keys.lost(attempt);
    throw error;
  }
}

const LOG_INS = '/api/v1/auth/';

/** Not what brings a log-in or a ticket: the gateway takes no key there or each answer counts once, and passwords are not kept. @param {string} address */
function takesKey(address) {
  return !address.startsWith(LOG_INS) || address.startsWith(`${LOG_INS}sessions/`);
}

/** Whether the gateway has looked at the write. Else what came of it, or of an earlier try, is as unknown as before. @param {Refusal} refusal */
function isOfTheWrite({ status, code }) {
  return status < 500 && status !== 401 && status !== 408 && status !== 429 && code !== 'request_under_way';
}

/** @param {number | null} version @returns {Record<string, string>} */
function seen(version) {
  if (version === null) return {};
  return version === 0 ? { 'if-none-match': '*' } : { 'if-match': `"${version}"` };
}

/**
 * Has the browser save a file of the gateway, under the name that it has there. The token is in a header, so a link alone would not do.
 * @param {string} path @param {Record<string, string | null>} query
 */
export async function saveFile(path, query) {
  const response = await ask(addressOf(path, query), {}, AbortSignal.timeout(FILE_DEADLINE_MS));
  if (!response.ok) throw await refusalOf(response);
  const [, name = 'download'] = /filename="([^"]+)"/.exec(response.headers.get('content-disposition') ?? '') ?? [];
  const url = URL.createObjectURL(await response.blob());
  const link = Object.assign(document.createElement('a'), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), DEADLINE_MS);
}

/** @param {string} path @param {Record<string, string | null>} query */
function addressOf(path, query) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== null) parameters.set(name, value);
  return `/api/v1${path}${parameters.size === 0 ? '' : `?${parameters}`}`;
}

/** @param {string} address @param {RequestInit} request @param {AbortSignal} [signal] */
async function answerOf(address, request, signal) {
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  const response = await ask(address, request, signal === undefined ? deadline : AbortSignal.any([signal, deadline]));
  if (!response.ok) throw await refusalOf(response);
  if (response.status === 204) return null;
  return response.json().catch((error) => {
    if (error instanceof SyntaxError) return null;
    throw noAnswer(error);
  });
}

/** @param {Response} response */
async function refusalOf(response) {
  const body = await response.json().catch(() => null);
  return new Refusal(response.status, body?.code ?? '', body?.detail ?? `The gateway answered ${response.status}.`, body?.faults);
}

/** Questions that bring a token, or end one: they need none, and one of them refused must not ask for another. */
const WITHOUT_TOKEN = ['/api/v1/auth/settings', '/api/v1/auth/login', '/api/v1/auth/refresh', '/api/v1/auth/password', '/api/v1/auth/logout'];

/** With the token, and once more with a new one where that has ended. @param {string} address @param {RequestInit} request @param {AbortSignal} signal */
async function ask(address, request, signal) {
  const used = WITHOUT_TOKEN.includes(address) ? null : credentials.token;
  const first = await send(address, request, signal, used);
  if (first.status !== 401 || used === null) return first;
  const renewed = credentials.token !== used ? credentials.token : await credentials.renew();
  return renewed === null ? first : send(address, request, signal, renewed);
}

/** @param {string} address @param {RequestInit} request @param {AbortSignal} signal @param {string | null} token */
async function send(address, request, signal, token) {
  const headers = { ...request.headers, ...(token === null ? {} : { authorization: `Bearer ${token}` }) };
  return fetch(address, { ...request, headers, signal }).catch((error) => {
    throw noAnswer(error);
  });
}

/** @param {Error} error of fetch, before an answer or in it */
function noAnswer(error) {
  return error.name === 'AbortError' ? error : new Error('The gateway does not answer. Check that the engine is running (npm start).', { cause: error });
}
