import { once } from 'node:events';
import { connect, type Socket as TcpSocket } from 'node:net';

/** Clients of the live stream: a proper one, and one that speaks the protocol by hand to break it. */

export interface ClientOptions {
  headers?: Record<string, string>;
  /** `?ticket=…` */
  query?: string;
}

/** Node's own WebSocket client with its messages in a queue. */
export class Client {
  readonly messages: any[] = [];
  readonly socket: WebSocket;
  closed: { code: number; reason: string } | null = null;
  #wake: (() => void)[] = [];

  constructor(port: number, options: ClientOptions) {
    // Node's own takes headers, which its types and browsers lack.
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/live${options.query ?? ''}`, { headers: options.headers ?? {} } as unknown as string[]);
    this.socket.onmessage = (event) => {
      this.messages.push(JSON.parse(String(event.data)));
      this.#notify();
    };
    this.socket.onclose = (event) => {
      this.closed = { code: event.code, reason: event.reason };
      this.#notify();
    };
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  async until<T>(what: string, find: () => T | undefined | null | false): Promise<T> {
    const deadline = AbortSignal.timeout(5_000);
    for (;;) {
      const found = find();
      if (found) return found;
      if (deadline.aborted || this.closed !== null) throw new Error(`no ${what} ${this.closed === null ? 'within 5 s' : `before it was closed (${this.closed.code} ${this.closed.reason})`}; got ${JSON.stringify(this.messages).slice(0, 2000)}`);
      await Promise.race([new Promise<void>((resolve) => this.#wake.push(resolve)), new Promise((resolve) => setTimeout(resolve, 50))]);
    }
  }

  next(type: string, channel?: string): Promise<any> {
    return this.until(`${type} ${channel ?? ''}`, () => {
      const index = this.messages.findIndex((message) => message.type === type && (channel === undefined || message.channel === channel));
      return index === -1 ? null : this.messages.splice(index, 1)[0];
    });
  }

  send(message: unknown): void {
    this.socket.send(typeof message === 'string' || message instanceof Uint8Array ? message : JSON.stringify(message));
  }

  subscribe(...channels: (string | { name: string; after: number; scope?: string })[]): void {
    this.send({ type: 'subscribe', channels });
  }

  closing(): Promise<{ code: number; reason: string }> {
    return this.until('close', () => this.closed);
  }
}

/** A client that has had its hello. */
export async function openClient(port: number, options: ClientOptions = {}): Promise<Client> {
  const client = new Client(port, options);
  await client.next('hello');
  return client;
}

/** A WebSocket by hand, for what a proper client would never send. Resolves with the head of the answer. */
export async function rawUpgrade(port: number, headers: Record<string, string> = {}, path = '/live'): Promise<{ socket: TcpSocket; head: string }> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  const lines = Object.entries({
    Host: `127.0.0.1:${port}`,
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': '13',
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return { socket, head: chunk.toString('latin1') };
}

/** A masked client frame; the mask is zero, which leaves the payload readable. */
export function frame(opcode: number, payload: Buffer): Buffer {
  const header =
    payload.length < 126
      ? Buffer.from([0x80 | opcode, 0x80 | payload.length])
      : Buffer.from([0x80 | opcode, 0x80 | 126, payload.length >> 8, payload.length & 0xff]);
  return Buffer.concat([header, Buffer.alloc(4), payload]);
}

/** Every text message in a stream of unmasked server frames. */
export function readFrames(bytes: Buffer): any[] {
  const messages: any[] = [];
  let at = 0;
  while (at + 2 <= bytes.length) {
    const opcode = bytes[at] & 0x0f;
    let length = bytes[at + 1] & 0x7f;
    at += 2;
    if (length === 126) {
      length = bytes.readUInt16BE(at);
      at += 2;
    } else if (length === 127) {
      length = Number(bytes.readBigUInt64BE(at));
      at += 8;
    }
    if (at + length > bytes.length) break;
    const payload = bytes.subarray(at, at + length);
    if (opcode === 1) messages.push(JSON.parse(payload.toString()));
    if (opcode === 8) messages.push({ close: payload.readUInt16BE(0) });
    at += length;
  }
  return messages;
}

/** An event stream by hand: reads `GET /live/events`, with its events in a queue. */
export class EventClient {
  readonly events: { id: string | null; event: string | null; data: any }[] = [];
  status = 0;
  headers = new Headers();
  body: any = null;
  ended = false;
  readonly #abort = new AbortController();

  async open(port: number, query: string, headers: Record<string, string> = {}): Promise<this> {
    const response = await fetch(`http://127.0.0.1:${port}/live/events?${query}`, { headers, signal: this.#abort.signal });
    this.status = response.status;
    this.headers = response.headers;
    if (response.status === 200) void this.#read(response.body!).catch(() => (this.ended = true));
    else this.body = await response.json();
    return this;
  }

  close(): void {
    this.#abort.abort();
  }

  /** The first of this type, taken out of the queue. */
  async next(type: string, channel?: string): Promise<{ id: string | null; event: string | null; data: any }> {
    for (let i = 0; i < 500; i++) {
      const index = this.events.findIndex(({ data }) => data.type === type && (channel === undefined || data.channel === channel));
      if (index !== -1) return this.events.splice(index, 1)[0];
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`no ${type} ${channel ?? ''} within 5 s; got ${JSON.stringify(this.events).slice(0, 2_000)}`);
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let text = '';
    for await (const chunk of body) {
      const blocks = (text + decoder.decode(chunk, { stream: true })).split('\n\n');
      text = blocks.pop()!;
      for (const block of blocks) this.#take(block);
    }
    this.ended = true;
  }

  #take(block: string): void {
    const fields = new Map(block.split('\n').map((line) => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)]));
    const data = fields.get('data');
    if (data !== undefined) this.events.push({ id: fields.get('id') ?? null, event: fields.get('event') ?? null, data: JSON.parse(data) });
  }
}
