// @ts-check
import { useEffect, useState } from './ui.js';

/**
 * Loads something now, again whenever `key` changes or `refresh` is called, and every `everyMs` while the page is seen.
 * What was loaded stays while the same key is loaded anew.
 *
 * @template T
 * @param {string} key what is loaded; another key drops the old data
 * @param {(signal: AbortSignal) => Promise<T>} load
 * @param {number | null} everyMs null: not again by itself
 * @returns {{ data: T | null, error: string | null, refresh: () => void }}
 */
export function useRemote(key, load, everyMs) {
  const [answer, setAnswer] = useState({ key: '', data: /** @type {T | null} */ (null), error: /** @type {string | null} */ (null) });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const controller = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const run = async () => {
      if (document.visibilityState === 'visible') {
        try {
          const data = await load(controller.signal);
          if (controller.signal.aborted) return;
          setAnswer({ key, data, error: null });
        } catch (error) {
          if (controller.signal.aborted) return;
          setAnswer((before) => ({ key, data: before.key === key ? before.data : null, error: /** @type {Error} */ (error).message }));
        }
      }
      if (everyMs !== null) timer = setTimeout(run, everyMs);
    };
    run();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [key, turn]);
  const current = answer.key === key;
  return { data: current ? answer.data : null, error: current ? answer.error : null, refresh: () => setTurn((before) => before + 1) };
}
