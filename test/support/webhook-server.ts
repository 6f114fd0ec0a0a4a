import { Webhook } from 'standardwebhooks';
import { ContractServer, type ContractRequest, type Failure } from './contract-server.ts';

export const WEBHOOK_SECRET = `whsec_${Buffer.from('0123456789abcdefghijklmnopqrstuv').toString('base64')}`;

/** A receiver as Standard Webhooks wants one: verifies every request with the package of that name, and does the work of a `webhook-id` once. */
export class WebhookServer {
  /** By `webhook-id`. */
  readonly received = new Map<string, unknown>();
  readonly requests: ContractRequest[];
  readonly url: string;
  private readonly server: ContractServer;

  private constructor(server: ContractServer) {
    this.server = server;
    this.requests = server.requests;
    this.url = server.url;
  }

  static async start(options: { tls?: boolean; secret?: string } = {}): Promise<WebhookServer> {
    const verifier = new Webhook(options.secret ?? WEBHOOK_SECRET);
    let receiver: WebhookServer | null = null;
    const server = await ContractServer.start((request) => {
      try {
        const document = verifier.verify(request.body, request.headers as Record<string, string>);
        receiver?.received.set(String(request.headers['webhook-id']), document);
        return { status: 204 };
      } catch (error) {
        return { status: 401, body: { error: String(error) } };
      }
    }, options);
    receiver = new WebhookServer(server);
    return receiver;
  }

  fail(failure: Failure): void {
    this.server.fail(failure);
  }

  /** Requests whose answer never came to its end. */
  get silences(): number {
    return this.server.silences;
  }

  get connections(): number {
    return this.server.connections;
  }

  /** Every connection is closed. */
  cut(): void {
    this.server.cut();
  }

  close(): Promise<void> {
    return this.server.close();
  }
}
