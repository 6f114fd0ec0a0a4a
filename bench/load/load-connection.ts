import { connect, type Socket } from 'node:net';

/** A keep-alive connection with one request in flight, and just enough of HTTP to read the engine's answers. */

const HEAD_END = '\r\n\r\n';
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;
/** `HTTP/1.1 202` */
const STATUS_AT = 9;

/** What a read gives goes here, whichever connection it is of: it is looked at before the next. Memory of its own for each read would be most of what a client of large answers does. */
const READ_BUFFER = Buffer.alloc(256 * 1024);

export interface LoadConnectionEvents {
  /** `body` is borrowed; `head` is status line and headers. */
  onAnswer(status: number, body: Buffer, head: string): void;
  /** Nothing more comes. A benchmark whose connections break has no result. */
  onBroken(reason: string): void;
}

export class LoadConnection {
  private socket!: Socket;
  private readonly events: LoadConnectionEvents;
  private carried: Buffer | null = null;
  private closing = false;

  private constructor(events: LoadConnectionEvents) {
    this.events = events;
  }

  private attach(socket: Socket): void {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('error', (error) => this.broken(error.message));
    socket.on('close', () => this.broken('the engine closed the connection'));
  }

  /** Rejects when nothing listens there. */
  static open(host: string, port: number, events: LoadConnectionEvents): Promise<LoadConnection> {
    return new Promise((resolve, reject) => {
      const connection = new LoadConnection(events);
      const callback = (length: number): boolean => (connection.read(READ_BUFFER.subarray(0, length)), true);
      const socket = connect({ host, port, onread: { buffer: READ_BUFFER, callback } });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        connection.attach(socket);
        resolve(connection);
      });
    });
  }

  /** `request` must stay as it is until it is answered. */
  send(request: Uint8Array): void {
    this.socket.write(request);
  }

  close(): void {
    this.closing = true;
    this.socket.destroy();
  }

  private broken(reason: string): void {
    if (this.closing) return;
    this.closing = true;
    this.events.onBroken(reason);
  }

  private read(chunk: Buffer): void {
    const bytes = this.carried === null ? chunk : Buffer.concat([this.carried, chunk]);
    const headEnd = bytes.indexOf(HEAD_END, 0, 'latin1');
    const head = headEnd < 0 ? '' : bytes.toString('latin1', 0, headEnd);
    const length = CONTENT_LENGTH.exec(head);
    if (headEnd >= 0 && length === null) return this.broken('an answer without Content-Length');
    const end = length === null ? Infinity : headEnd + HEAD_END.length + Number(length[1]);
    if (bytes.length < end) {
      this.carried = this.carried === null ? Buffer.from(chunk) : bytes;
      return;
    }
    this.carried = null;
    if (bytes.length > end) return this.broken('more than one answer to one request');
    this.events.onAnswer(Number(head.slice(STATUS_AT, STATUS_AT + 3)), bytes.subarray(headEnd + HEAD_END.length), head);
  }
}
