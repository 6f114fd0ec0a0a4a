import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Connections that cost an engine memory and give it nothing: idle ones, and senders that are slow on purpose (slow loris). */

export interface BystanderCounts {
  /** Open at this moment. */
  idle: number;
  slow: number;
  /** Closed by the engine so far; each is opened again. */
  closedByEngine: number;
}

export interface BystanderOptions {
  host: string;
  port: number;
  /** Each sends a small request before the engine would close its connection, as a client does that means to keep it; with `silent` none ever does. */
  idle: number;
  silent?: boolean;
  /** Half of them never end their headers, half never end their body. */
  slow: number;
}

/** Connections opened at once: the listen queue of the kernel is short. */
const OPENING_MAX = 200;
/**
 * For each connection, so that ten thousand are opened in ten seconds at the quickest. The engine closes an idle one after as long; what came at once would go and come again
 * at once, a herd of this program's own making.
 */
const OPENING_MS = 1;
/** A slow sender's next byte. */
const DRIP_MS = 1_000;
/** Of an idle client: uWebSockets closes an HTTP connection that was silent for 8 to 12 s, and cannot be told otherwise. */
const SIGN_OF_LIFE_MS = 7_000;
/** Not all at once, but some of them so often. */
const SIGNS_MS = 100;
/** At the longest; by chance, for the same reason. */
const REOPEN_MS_MAX = 4_000;

const SIGN_OF_LIFE = 'GET /alive HTTP/1.1\r\nhost: engine\r\n\r\n';
const SLOW_HEAD = 'POST /ingest HTTP/1.1\r\nhost: engine\r\nx-slow: ';
const SLOW_BODY = 'POST /ingest HTTP/1.1\r\nhost: engine\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n[';

export class Bystanders {
  private readonly options: BystanderOptions;
  private readonly open = new Map<Socket, 'idle' | 'slow'>();
  private readonly drip: NodeJS.Timeout;
  private readonly signs: NodeJS.Timeout | null;
  /** Whose turn it is to give a sign of life. */
  private turn = this.open.entries();
  private closedByEngine = 0;
  private closing = false;
  private slowOpened = 0;

  /** Resolves when all are connected. */
  static async gather(options: BystanderOptions): Promise<Bystanders> {
    const bystanders = new Bystanders(options);
    const kinds = [...Array<'idle'>(options.idle).fill('idle'), ...Array<'slow'>(options.slow).fill('slow')];
    for (let k = 0; k < kinds.length; k += OPENING_MAX) {
      const lot = kinds.slice(k, k + OPENING_MAX).map((kind) => bystanders.connect(kind));
      await Promise.all([...lot, sleep(OPENING_MS * lot.length)]);
    }
    return bystanders;
  }

  private constructor(options: BystanderOptions) {
    this.options = options;
    this.drip = setInterval(() => {
      for (const [socket, kind] of this.open) if (kind === 'slow') socket.write('x');
    }, DRIP_MS);
    const signs = Math.ceil((options.idle * SIGNS_MS) / SIGN_OF_LIFE_MS);
    this.signs = options.silent === true ? null : setInterval(() => this.giveSigns(signs), SIGNS_MS);
  }

  private giveSigns(count: number): void {
    for (let given = 0; given < count; ) {
      const next = this.turn.next();
      if (next.done === true) {
        this.turn = this.open.entries();
        return;
      }
      const [socket, kind] = next.value;
      if (kind !== 'idle') continue;
      socket.write(SIGN_OF_LIFE);
      given++;
    }
  }

  counts(): BystanderCounts {
    const kinds = [...this.open.values()];
    return { idle: kinds.filter((kind) => kind === 'idle').length, slow: kinds.filter((kind) => kind === 'slow').length, closedByEngine: this.closedByEngine };
  }

  disperse(): void {
    this.closing = true;
    clearInterval(this.drip);
    if (this.signs !== null) clearInterval(this.signs);
    for (const socket of this.open.keys()) socket.destroy();
  }

  private connect(kind: 'idle' | 'slow'): Promise<void> {
    const { host, port } = this.options;
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        // A reset is followed by `close`.
        socket.on('error', () => {});
        // Else its end is never seen.
        socket.resume();
        this.open.set(socket, kind);
        if (kind === 'slow') socket.write(this.slowOpened++ % 2 === 0 ? SLOW_HEAD : SLOW_BODY);
        socket.once('close', () => this.closed(socket, kind));
        resolve();
      });
    });
  }

  private closed(socket: Socket, kind: 'idle' | 'slow'): void {
    this.open.delete(socket);
    if (this.closing) return;
    this.closedByEngine++;
    setTimeout(() => {
      if (!this.closing) this.connect(kind).catch(() => this.closed(socket, kind));
    }, Math.random() * REOPEN_MS_MAX);
  }
}
