// @ts-check
/** Questions to the gateway's REST interface. */

/** Answers that take longer are given up; a person has long looked away. */
const DEADLINE_MS = 10_000;

/**
 * The JSON answer of `GET /api/v1{path}`. Rejects with an Error whose message can be shown: what the gateway said was
 * wrong, or that it did not answer.
 *
 * @template T
 * @param {string} path
 * @param {Record<string, string | null>} query entries that are null are left out
 * @param {AbortSignal} signal
 * @returns {Promise<T>}
 */
export async function getJson(path, query, signal) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== null) parameters.set(name, value);
  return answerOf(`/api/v1${path}?${parameters}`, {}, signal);
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
  const headers = { 'content-type': 'application/json', ...(version === null ? {} : { 'if-match': `"${version}"` }) };
  return answerOf(`/api/v1${path}`, { method: 'POST', headers, body: JSON.stringify(body) }, new AbortController().signal);
}

/** @param {string} address @param {RequestInit} request @param {AbortSignal} signal */
async function answerOf(address, request, signal) {
  const response = await fetch(address, { ...request, signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]) }).catch((error) => {
    if (signal.aborted) throw error;
    throw new Error('The gateway does not answer. Check that the engine is running (npm start).', { cause: error });
  });
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Error(body?.detail ?? `The gateway answered ${response.status}.`);
  return body;
}
