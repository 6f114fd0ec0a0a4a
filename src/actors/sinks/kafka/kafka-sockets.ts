import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ISocketFactoryArgs } from 'kafkajs';

const KEEP_ALIVE_MS = 60_000;

/**
 * The sockets of one client of kafkajs, so that it can be given up at once: kafkajs itself closes a connection only after the requests on it have been
 * answered or have timed out, which a hanging broker makes long.
 */
export class KafkaSockets {
  private readonly sockets = new Set<Socket>();
  private isCut = false;

  /** Ends everything under way on them, now; whatever waits for an answer fails. */
  cut(): void {
    this.isCut = true;
    for (const socket of this.sockets) socket.destroy(new Error('given up'));
  }

  open({ host, port, ssl, onConnect }: ISocketFactoryArgs): Socket {
    if (this.isCut) throw new Error('given up');
    const serverName = isIP(host) === 0 ? { servername: host } : {};
    const socket = ssl ? connectTls({ host, port, ...serverName, ...(typeof ssl === 'object' ? ssl : {}) }, onConnect) : connectTcp({ host, port }, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
    return socket;
  }
}
