// @ts-check
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
 * The JSON answer of `POST /api/v1{path}`; rejects as getJson does.
 *
 * @template T
 * @param {string} path
 * @param {object} body
 * @param {number | null} version that the sender has seen: where the thing has changed since, the gateway refuses
 * @returns {Promise<T>}
 */
export async function postJson(path, body, version) {
  return sendJson('POST', path, body, version);
}

/**
 * @template T
 * @param {'POST' | 'PUT' | 'PATCH'} method
 * @param {string} path
 * @param {object} body
 * @param {number | null} [version] as of postJson; 0: there must be none yet
 * @param {Record<string, string | null>} [query] as of getJson
 * @returns {Promise<T>}
 */
export async function sendJson(method, path, body, version = null, query = {}) {
  const headers = { 'content-type': 'application/json', ...seen(version) };
  return answerOf(addressOf(path, query), { method, headers, body: JSON.stringify(body) });
}

/**
 * @template T
 * @param {string} path
 * @param {Record<string, string | null>} query
 * @param {number | null} [version] as of postJson
 * @returns {Promise<T>}
 */
export async function deleteJson(path, query, version = null) {
  return answerOf(addressOf(path, query), { method: 'DELETE', headers: seen(version) });
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
  return response.status === 204 ? null : response.json().catch(() => null);
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
    if (error.name === 'AbortError') throw error;
    throw new Error('The gateway does not answer. Check that the engine is running (npm start).', { cause: error });
  });
}
