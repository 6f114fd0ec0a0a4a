import { request } from 'node:http';

/** A client of the gateway that sends what it is told, Origin and Host included, which fetch keeps to itself. */

export interface ApiReply {
  status: number;
  headers: Record<string, string>;
  /** Parsed where it is JSON. */
  body: any;
}

export interface ApiCall {
  headers?: Record<string, string>;
  /** An object goes as JSON with its Content-Type, a string or bytes as they are. */
  body?: unknown;
}

export type CallApi = (method: string, path: string, call?: ApiCall) => Promise<ApiReply>;

export function apiClient(port: () => number): CallApi {
  return (method, path, { headers = {}, body } = {}) =>
    new Promise((resolve, reject) => {
      const raw = body === undefined || typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
      const type = raw === body ? {} : { 'content-type': 'application/json' };
      const sent = request({ host: '127.0.0.1', port: port(), method, path, agent: false, headers: { ...type, ...(raw === undefined ? {} : { 'content-length': String(Buffer.byteLength(raw)) }), ...headers } }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => {
          const isJson = (response.headers['content-type'] ?? '').includes('json') && text !== '';
          resolve({ status: response.statusCode!, headers: response.headers as Record<string, string>, body: isJson ? JSON.parse(text) : text });
        });
      });
      sent.on('error', reject);
      sent.end(raw);
    });
}
