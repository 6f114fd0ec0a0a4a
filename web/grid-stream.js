// @ts-check
import { useEffect, useRef, useState } from './ui.js';
import { TicketedLiveClient } from './account/ticketed-live-client.js';
import { useAllAlerts } from './alert-fill.js';
import { emptyState, withAlert, withAllAlerts, withMessage, withMeter } from './grid-state.js';

/** Of operators; a consumer follows a meter and the prices. */
const OPERATOR_CHANNELS = ['regions', 'anomalies', 'alerts', 'prices', 'engine'];
const CONSUMER_CHANNELS = ['prices'];

/**
 * The live stream as state: connects once, and watches the selected meter.
 * @param {boolean} isConsumer @param {string | null} meterId
 */
export function useGrid(isConsumer, meterId) {
  const [state, setState] = useState(emptyState);
  const [connection, setConnection] = useState(/** @type {import('./wire-types.js').Connection} */ ({ status: 'connecting' }));
  const [lastMessageMs, setLastMessageMs] = useState(/** @type {number | null} */ (null));
  const client = useRef(/** @type {TicketedLiveClient | null} */ (null));
  useEffect(() => {
    const receive = (/** @type {import('./wire-types.js').LiveMessage} */ message) => {
      setLastMessageMs(Date.now());
      setState((before) => withMessage(before, message, Date.now()));
    };
    client.current = new TicketedLiveClient(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/live`, receive, setConnection);
    client.current.subscribe(...(isConsumer ? CONSUMER_CHANNELS : OPERATOR_CHANNELS));
    client.current.connect();
  }, []);
  useEffect(() => {
    setState((before) => withMeter(before, meterId));
    if (meterId === null) return undefined;
    client.current?.subscribe(`meter:${meterId}`);
    return () => client.current?.unsubscribe(`meter:${meterId}`);
  }, [meterId]);
  const known = useRef(state.alerts);
  known.current = state.alerts;
  useAllAlerts(
    state.hasOlderAlerts && connection.status === 'live',
    () => known.current,
    (fetched, before) => setState((now) => withAllAlerts(now, fetched, before)),
  );
  const putAlert = (/** @type {import('./wire-types.js').Alert} */ alert) => setState((before) => withAlert(before, alert));
  return { state, connection, lastMessageMs, putAlert, retry: () => client.current?.retryNow() };
}
