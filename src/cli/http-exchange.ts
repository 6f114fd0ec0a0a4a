import http from 'node:http';
import https from 'node:https';
import { OperationalError } from '../runtime/errors.ts';

/** Largest reply that is read: 50,000 rejected readings at about 200 bytes each, and room. */
const REPLY_BYTES_MAX = 32 * 1024 * 1024;

export interface HttpExchange {
  url: URL;
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  headers: Record<string, string>;
  body?: Buffer;
  agent: http.Agent;
  timeoutMs: number;
  signal?: AbortSignal;
}

export interface HttpReply {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

/** Connections that stay open, at most `maxSockets`, for http or https by the URL. The caller destroys it. */
export function createAgent(url: URL, maxSockets: number): http.Agent {
  return url.protocol === 'https:' ? new https.Agent({ keepAlive: true, maxSockets }) : new http.Agent({ keepAlive: true, maxSockets });
}

/** Reads a base URL from the command line; throws OperationalError `usage` when it is not http(s). */
export function parseBaseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new OperationalError('usage', `"${text}" is not an http URL; write it like http://127.0.0.1:3001`);
  }
  return url;
}

/**
 * One request and its whole reply, whatever its status. Throws OperationalError `unreachable` (retryable; nobody listens, the connection broke, or
 * `timeoutMs` passed), `reply_too_large`, or `aborted`.
 */
export function sendRequest(exchange: HttpExchange): Promise<HttpReply> {
  const { url, method, headers, body, agent, timeoutMs, signal } = exchange;
  const transport = url.protocol === 'https:' ? https : http;
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) => {
      if (cause instanceof OperationalError) reject(cause);
      else if (signal?.aborted) reject(new OperationalError('aborted', 'stopped before it was done', { cause }));
      else reject(new OperationalError('unreachable', `no answer from ${url.origin}: ${causeText(cause)}`, { retryable: true, cause }));
    };
    const request = transport.request(url, { method, headers: body === undefined ? headers : { ...headers, 'content-length': String(body.length) }, agent, signal });
    const deadline = setTimeout(() => request.destroy(new Error(`nothing came within ${timeoutMs} ms`)), timeoutMs);
    request.on('close', () => clearTimeout(deadline));
    request.on('error', fail);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > REPLY_BYTES_MAX) request.destroy(new OperationalError('reply_too_large', `${url.origin} sent a reply of more than ${REPLY_BYTES_MAX} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', fail);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }));
    });
    request.end(body);
  });
}

/** A failed connection to a name with several addresses has its reason only in `code`. */
function causeText(cause: Error & { code?: string }): string {
  return cause.message || cause.code || 'the connection failed';
}

/** The human part of an RFC 9457 problem document, or the status when the body is something else. */
export function problemText(reply: HttpReply): string {
  try {
    const problem = JSON.parse(reply.body.toString('utf8')) as { title?: unknown; detail?: unknown };
    const text = [problem.title, problem.detail].filter((part) => typeof part === 'string').join(': ');
    return text === '' ? `status ${reply.status}` : `status ${reply.status}: ${text}`;
  } catch {
    return `status ${reply.status}`;
  }
}
