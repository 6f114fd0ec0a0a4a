import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineUrls, WireWindow } from './engine-api.ts';
import type { Granularity } from './real-data-windows.ts';

/** The API's most rows a page. */
const WINDOWS_PER_PAGE = 10_000;
/** A disk and cores that others use too can hold a shard up for so long that it answers late (504) or is started anew (503): the API says when to ask again. */
const ASK_AGAIN_STATUSES = [503, 504];
const ASKED_TIMES_MAX = 20;

/** Reads millions of windows from a running engine over a few connections that stay open; about half the work of fetch(). */
export class WindowPages {
  private readonly engine: EngineUrls;
  private readonly agent: http.Agent;

  constructor(engine: EngineUrls, connections: number) {
    this.engine = engine;
    this.agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  }

  /** A meter's windows that start in [from, to), epoch ms, page by page. */
  async *ofMeter(meterId: string, granularity: Granularity, { from, to }: { from: number; to: number }): AsyncGenerator<WireWindow[]> {
    const path = `/api/v1/meters/${meterId}/aggregates?granularity=${granularity}&from=${from}&to=${to}&limit=${WINDOWS_PER_PAGE}`;
    let cursor: string | null = null;
    do {
      const before: string | null = cursor;
      const page: { data: WireWindow[]; nextCursor: string | null } = await this.get(before === null ? path : `${path}&cursor=${before}`);
      yield page.data;
      cursor = page.nextCursor;
      if (cursor !== null && cursor === before) throw new Error(`${path} gave the cursor ${cursor} twice`);
    } while (cursor !== null);
  }

  close(): void {
    this.agent.destroy();
  }

  private async get<Body>(path: string): Promise<Body> {
    for (let times = 1; ; times++) {
      const { status, retryAfter, text } = await this.ask(path);
      if (status === 200) return JSON.parse(text) as Body;
      if (!ASK_AGAIN_STATUSES.includes(status) || times === ASKED_TIMES_MAX) throw new Error(`${path} answered ${status}, asked ${times} times: ${text}`);
      console.warn(`${path} answered ${status} and is asked again: ${text}`);
      await sleep(Number(retryAfter) * 1_000);
    }
  }

  private ask(path: string): Promise<{ status: number; retryAfter: string | undefined; text: string }> {
    return new Promise((resolve, reject) => {
      const request = http.get(this.engine.apiUrl(path), { agent: this.agent }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode!, retryAfter: response.headers['retry-after'], text: Buffer.concat(chunks).toString('utf8') }));
      });
      request.on('error', reject);
    });
  }
}
