import http from 'node:http';
import type { EngineUrls, WireWindow } from './engine-api.ts';
import type { Granularity } from './real-data-windows.ts';

/** The API's most rows a page. */
const WINDOWS_PER_PAGE = 10_000;

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

  private get<Body>(path: string): Promise<Body> {
    return new Promise((resolve, reject) => {
      const request = http.get(this.engine.apiUrl(path), { agent: this.agent }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          if (response.statusCode !== 200) reject(new Error(`${path} answered ${response.statusCode}: ${text}`));
          else resolve(JSON.parse(text) as Body);
        });
      });
      request.on('error', reject);
    });
  }
}
