/** The part of autocannon 9 that is used here; the package has no types. */
declare module 'autocannon' {
  interface Request {
    method?: string;
    path?: string;
    headers?: Record<string, string>;
    body?: Buffer;
    setupRequest?(request: Request): Request;
    onResponse?(status: number, body: string): void;
  }

  interface Options {
    url: string;
    connections: number;
    /** Seconds. */
    duration: number;
    /** Requests a second over all connections. */
    overallRate?: number;
    requests: Request[];
  }

  interface Result {
    requests: { average: number };
    /** ms */
    latency: { p50: number; p90: number; p99: number; p99_9: number; max: number };
    errors: number;
    timeouts: number;
  }

  export default function autocannon(options: Options): Promise<Result>;
}
