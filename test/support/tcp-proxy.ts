import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Passes connections on to a port of this machine, until it is cut: then nothing goes either way, and nobody is told, as when a cable is pulled. */
export class TcpProxy {
  /** Where it listens. */
  readonly port: number;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private target = 0;
  private isCut = false;

  private constructor(server: Server) {
    this.server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => this.take(socket));
  }

  static async start(): Promise<TcpProxy> {
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(server);
  }

  /** Where connections lead from now on. */
  leadTo(port: number): void {
    this.target = port;
  }

  cut(): void {
    this.isCut = true;
    for (const socket of this.sockets) socket.pause();
  }

  /** What was open breaks; new connections get through. */
  mend(): void {
    this.isCut = false;
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await once(this.server, 'close');
  }

  private take(near: Socket): void {
    this.keep(near);
    if (this.isCut) return;
    const far = connect(this.target, '127.0.0.1');
    this.keep(far);
    for (const [from, to] of [[near, far], [far, near]]) {
      from.on('data', (bytes: Buffer) => {
        // A little may have been read before the pause took hold; a cable would have lost it.
        if (!this.isCut && !to.write(bytes)) from.pause();
      });
      to.on('drain', () => {
        if (!this.isCut) from.resume();
      });
      from.on('close', () => to.destroy());
    }
    near.resume();
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket);
    socket.setNoDelay(true);
    // Its end is seen by `close`.
    socket.on('error', () => {});
    socket.on('close', () => this.sockets.delete(socket));
  }
}
