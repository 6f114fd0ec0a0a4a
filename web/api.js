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
  const response = await fetch(`/api/v1${path}?${parameters}`, { signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]) }).catch(
    (error) => {
      if (signal.aborted) throw error;
      throw new Error('The gateway does not answer. Check that the engine is running (npm start).', { cause: error });
    },
  );
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Error(body?.detail ?? `The gateway answered ${response.status}.`);
  return body;
}
