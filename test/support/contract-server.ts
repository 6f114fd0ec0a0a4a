import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

/** A certificate for localhost and 127.0.0.1, good for a hundred years, that no authority knows. */
export const LOCAL_CERTIFICATE = readFileSync(new URL('../fixtures/tls/certificate.pem', import.meta.url), 'utf8');
export const LOCAL_KEY = readFileSync(new URL('../fixtures/tls/key.pem', import.meta.url), 'utf8');

export interface ContractRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: string;
}

export interface ContractReply {
  status: number;
  headers?: Record<string, string>;
  body?: unknown;
}

/** What a server does instead of answering as documented; with `afterwards` once it has done its work. */
export type Failure =
  | ({ kind: 'reply' } & ContractReply)
  | { kind: 'hang'; afterwards?: boolean }
  | { kind: 'reset'; afterwards?: boolean }
  /** The status and a part of the body, and then nothing. */
  | { kind: 'half'; status: number; body: string; afterwards?: boolean }
  /** A body without end. */
  | { kind: 'endless'; status: number }
  /** No HTTP. */
  | { kind: 'garbage' };

/** A provider's HTTP interface on a port of its own: answers as `answer` says, and fails as it is told to. */
export class ContractServer {
  readonly url: string;
  readonly requests: ContractRequest[] = [];
  /** Requests whose answer never came to its end. */
  silences = 0;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private readonly failures: { path: string; failure: Failure }[] = [];
  private readonly answer: (request: ContractRequest) => ContractReply | Promise<ContractReply>;

  private constructor(server: Server, scheme: string, answer: ContractServer['answer']) {
    this.server = server;
    this.answer = answer;
    this.url = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
    // Not the sockets below TLS: Node does not survive that they are destroyed under it.
    server.on(scheme === 'https' ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    server.on('request', (request, response) => void this.serve(request, response));
  }

  static async start(answer: ContractServer['answer'], { tls = false } = {}): Promise<ContractServer> {
    const server = tls ? createSecureServer({ key: LOCAL_KEY, cert: LOCAL_CERTIFICATE }) : createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ContractServer(server, tls ? 'https' : 'http', answer);
  }

  /** The next request whose path has `path` in it meets this failure; several: one after the other. */
  fail(failure: Failure, path = '/'): void {
    this.failures.push({ path, failure });
  }

  get connections(): number {
    return this.sockets.size;
  }

  /** Every connection is closed. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.server.close();
    this.cut();
    await once(this.server, 'close');
  }

  private async serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', this.url);
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const request: ContractRequest = { method: incoming.method ?? '', path: url.pathname, query: url.searchParams, headers: incoming.headers, body: Buffer.concat(chunks).toString() };
    this.requests.push(request);
    const at = this.failures.findIndex(({ path }) => request.path.includes(path));
    const failure = at < 0 ? null : this.failures.splice(at, 1)[0].failure;
    if (failure === null) return send(response, await this.answer(request));
    if ('afterwards' in failure && failure.afterwards === true) await this.answer(request);
    this.misbehave(failure, response);
  }

  private misbehave(failure: Failure, response: ServerResponse): void {
    switch (failure.kind) {
      case 'reply':
        return send(response, failure);
      case 'hang':
        this.silences++;
        return;
      case 'reset':
        return void (response.socket as Socket).resetAndDestroy();
      case 'half':
        response.writeHead(failure.status, { 'content-type': 'application/json', 'content-length': String(failure.body.length + 1_000) });
        response.write(failure.body);
        this.silences++;
        return;
      case 'endless': {
        response.writeHead(failure.status, { 'content-type': 'application/json' });
        const more = (): void => {
          while (!response.destroyed && response.write('x'.repeat(65_536)));
        };
        response.on('drain', more);
        return more();
      }
      case 'garbage':
        response.socket?.end('220 this is a mail server\r\n');
    }
  }
}

function send(response: ServerResponse, { status, headers = {}, body }: ContractReply): void {
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text);
}
