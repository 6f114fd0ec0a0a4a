import type { Log } from '../runtime/log.ts';

/** How many live connections an engine takes: ten thousand, unless the system gives it fewer files and sockets. */

const CONNECTIONS_MAX = 10_000;
/** Files and sockets for all else: LMDB's of many shards, senders, requests, the database and the brokers. */
const OTHER_FILES = 2_048;
/** Of a very low limit a quarter. */
const SHARE_MIN = 0.25;

/** `openFilesMax`: that of the process (`ulimit -n`). Says when it is what holds the number down. */
export function liveConnectionsMax(openFilesMax: number, log: Log): number {
  const room = Math.floor(Math.max(openFilesMax - OTHER_FILES, openFilesMax * SHARE_MIN));
  if (room >= CONNECTIONS_MAX) return CONNECTIONS_MAX;
  log.warn({ openFilesMax, liveConnectionsMax: room }, `this process may open ${openFilesMax} files and sockets, so that ${room} live connections are taken; for ${CONNECTIONS_MAX} set ulimit -n to ${CONNECTIONS_MAX + OTHER_FILES}`);
  return room;
}
