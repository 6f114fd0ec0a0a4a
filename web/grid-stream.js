// @ts-check
import { useEffect, useRef, useState } from './ui.js';
import { accessChanged, sessionEnded, whoIsIn } from './account/session.js';
import { useAllAlerts } from './alert-fill.js';
import { postJson } from './api.js';
import { emptyState, withAlert, withAllAlerts, withMessage, withMeter } from './grid-state.js';
import { LiveClient } from './live-client.js';

/** Of operators; a consumer follows a meter and the prices. */
const OPERATOR_CHANNELS = ['regions', 'anomalies', 'alerts', 'prices', 'engine'];
const CONSUMER_CHANNELS = ['prices'];

/** A browser cannot send a header with a WebSocket, so with accounts each connection spends a ticket. */
async function streamAddress() {
  const address = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/live`;
  if (whoIsIn() === null) return address;
  const { ticket } = /** @type {{ ticket: string }} */ (await postJson('/auth/stream-tickets', {}, null));
  return `${address}?ticket=${encodeURIComponent(ticket)}`;
}

/**
 * The live stream as state: connects once, and watches the selected meter.
 * @param {boolean} isConsumer @param {string | null} meterId
 */
export function useGrid(isConsumer, meterId) {
  const [state, setState] = useState(emptyState);
  const [connection, setConnection] = useState(/** @type {import('./wire-types.js').Connection} */ ({ status: 'connecting' }));
  const [lastMessageMs, setLastMessageMs] = useState(/** @type {number | null} */ (null));
  const client = useRef(/** @type {LiveClient | null} */ (null));
  useEffect(() => {
    const receive = (/** @type {import('./wire-types.js').LiveMessage} */ message) => {
      setLastMessageMs(Date.now());
      setState((before) => withMessage(before, message, Date.now()));
      // Nobody told of what changed before the connection was there, the first one and each after a loss.
      if (message.type === 'access' || message.type === 'hello') void accessChanged().catch(() => null);
    };
    client.current = new LiveClient(streamAddress, receive, setConnection);
    client.current.subscribe(...(isConsumer ? CONSUMER_CHANNELS : OPERATOR_CHANNELS));
    client.current.connect();
    return () => client.current?.close();
  }, []);
  // Its token may be renewed; where that fails the session is over.
  useEffect(() => {
    if (connection.status === 'ended') void sessionEnded().then((isOver) => isOver || client.current?.retryNow());
  }, [connection.status]);
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
