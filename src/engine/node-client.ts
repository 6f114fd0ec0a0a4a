import type http from 'node:http';
import { Packr } from 'msgpackr';
import { createAgent, problemText, sendRequest } from '../cli/http-exchange.ts';
import { ASK_PATH, NODE_CONTENT_TYPE, REPORTS_PATH, SECRET_HEADER, type NodeAnswer, type NodeQuestion, type NodeReports, type ReportPosition } from '../http/node-port.ts';
import { OperationalError } from '../runtime/errors.ts';

/** Asks other nodes of the cluster. */

export interface NodeClientOptions {
  secret: string | null;
  /** One request and its answer. */
  deadlineMs: number;
}

/** Connections, and so questions under way, to one node: what its shard threads answer side by side, many times over. */
export const REQUESTS_PER_NODE_MAX = 32;
/** … and how many more may wait for one of them; past it the asker is told to try again. */
const WAITING_PER_NODE_MAX = 256;

const packr = new Packr({ useRecords: false });

export class NodeClient {
  private readonly options: NodeClientOptions;
  /** By URL. Nodes that are gone are few, and their sockets are closed. */
  private readonly nodes = new Map<string, { agent: http.Agent; pending: number }>();

  constructor(options: NodeClientOptions) {
    this.options = options;
  }

  /** Rejects with OperationalError `unavailable` (retryable) when the node cannot be reached, has another secret or is too busy. */
  async ask(url: string, questions: readonly NodeQuestion[]): Promise<NodeAnswer[]> {
    return ((await this.request(url, ASK_PATH, { questions })) as { answers: NodeAnswer[] }).answers;
  }

  /** Rejects like `ask`. */
  async reports(url: string, since: ReportPosition | null): Promise<NodeReports> {
    return (await this.request(url, REPORTS_PATH, { since })) as NodeReports;
  }

  close(): void {
    for (const { agent } of this.nodes.values()) agent.destroy();
    this.nodes.clear();
  }

  private async request(nodeUrl: string, path: string, body: object): Promise<unknown> {
    const url = new URL(nodeUrl + path);
    const node = this.nodeAt(nodeUrl, url);
    if (node.pending >= REQUESTS_PER_NODE_MAX + WAITING_PER_NODE_MAX) throw unavailable(`as many questions wait for ${nodeUrl} as may`);
    node.pending++;
    try {
      const { secret, deadlineMs } = this.options;
      const headers = { 'content-type': NODE_CONTENT_TYPE, ...(secret === null ? {} : { [SECRET_HEADER]: secret }) };
      const reply = await sendRequest({ url, method: 'POST', headers, body: packr.pack(body), agent: node.agent, timeoutMs: deadlineMs });
      if (reply.status !== 200) throw unavailable(`${nodeUrl} answered ${problemText(reply)}`);
      return packr.unpack(reply.body);
    } catch (error) {
      throw error instanceof OperationalError && error.code === 'unavailable' ? error : unavailable(`${nodeUrl} did not answer: ${(error as Error).message}`, error);
    } finally {
      node.pending--;
    }
  }

  private nodeAt(nodeUrl: string, url: URL): { agent: http.Agent; pending: number } {
    let node = this.nodes.get(nodeUrl);
    if (node === undefined) this.nodes.set(nodeUrl, (node = { agent: createAgent(url, REQUESTS_PER_NODE_MAX), pending: 0 }));
    return node;
  }
}

function unavailable(message: string, cause?: unknown): OperationalError {
  return new OperationalError('unavailable', `${message}; try again shortly`, { retryable: true, cause });
}
