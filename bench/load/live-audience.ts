import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { printEvent } from './load-events.ts';

/**
 * Many readers of an engine's live stream, as a process of its own: sockets that speak as much of the protocol as it takes, because a real client for each would take more of the two cores than the engine does.
 * A reader's latency is from the engine's clock when it looked at itself (`now` of channel `engine`) to this program's when it has the message; both are of one machine.
 */

export interface LiveAudienceOptions {
  port: number;
  readers: number;
  /** Further sockets that do not read and ask for snapshots all the time. */
  stuck: number;
  channels: string[];
  durationMs: number;
}

export interface LiveAudienceResult {
  /** By `now` of the engine, of the measured time: how many readers got it, and how long the last of them waited. */
  updates: { now: number; readers: number; lastMs: number }[];
  latencyMs: { p50: number; p99: number; max: number };
  messages: number;
  bytes: number;
  /** Sockets that the engine closed, stuck ones and others. */
  closed: { stuck: number; others: number };
  clientCpuShare: number;
}

/** Sockets opened at once: the listen queue of the kernel is short. */
const OPENING_MAX = 200;
/** A stuck reader's next wish; the engine allows 20 messages a second. */
const STUCK_WISH_MS = 100;
/** Latencies are counted by the millisecond up to this. */
const LATENCY_MS_MAX = 60_000;
const ENGINE_MARK = '"channel":"engine"';
/** Within which the channel's name stands in a message. */
const HEAD_BYTES = 64;
const NOW_MARK = '"now":"';
const ISO_LENGTH = 24;
const SNAPSHOT_TYPE = '{"type":"snapshot"';

class Audience {
  private readonly options: LiveAudienceOptions;
  private readonly updates = new Map<number, { readers: number; lastMs: number }>();
  private readonly latencies = new Uint32Array(LATENCY_MS_MAX);
  private readonly closed = { stuck: 0, others: 0 };
  private readonly sockets: Socket[] = [];
  private isMeasuring = false;
  private isClosing = false;
  private snapshots = 0;
  private messages = 0;
  private bytes = 0;

  constructor(options: LiveAudienceOptions) {
    this.options = options;
  }

  /** Resolves when every reader has had a snapshot of each channel. */
  async gather(): Promise<void> {
    const { readers, stuck, channels } = this.options;
    for (let opened = 0; opened < readers; opened += OPENING_MAX) {
      await Promise.all(Array.from({ length: Math.min(OPENING_MAX, readers - opened) }, () => this.open(false)));
    }
    while (this.snapshots < readers * channels.length) await new Promise((resolve) => setTimeout(resolve, 50));
    await Promise.all(Array.from({ length: stuck }, () => this.open(true)));
  }

  async measure(): Promise<LiveAudienceResult> {
    const cpu = process.cpuUsage();
    const startedMs = performance.now();
    this.isMeasuring = true;
    await new Promise((resolve) => setTimeout(resolve, this.options.durationMs));
    this.isMeasuring = false;
    const used = process.cpuUsage(cpu);
    const { messages, bytes, closed } = this;
    // What the engine has sent by now is still under way.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    this.isClosing = true;
    for (const socket of this.sockets) socket.destroy();
    return {
      updates: [...this.updates].map(([now, update]) => ({ now, ...update })),
      latencyMs: { p50: this.latencyAt(0.5), p99: this.latencyAt(0.99), max: this.latencyAt(1) },
      messages,
      bytes,
      closed,
      clientCpuShare: (used.user + used.system) / 1_000 / (performance.now() - startedMs - 1_000),
    };
  }

  private async open(isStuck: boolean): Promise<void> {
    const socket = connect(this.options.port, '127.0.0.1');
    this.sockets.push(socket);
    socket.on('error', () => {});
    socket.write(`GET /live HTTP/1.1\r\nHost: 127.0.0.1:${this.options.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`);
    const [head] = (await once(socket, 'data')) as [Buffer];
    const end = head.indexOf('\r\n\r\n') + 4;
    if (!head.subarray(0, end).includes(' 101 ')) throw new Error(`no upgrade: ${head.toString('latin1').slice(0, 300)}`);
    const wish = textFrame(JSON.stringify({ type: 'subscribe', channels: this.options.channels }));
    socket.write(wish);
    if (isStuck) {
      socket.pause();
      const timer = setInterval(() => socket.write(wish), STUCK_WISH_MS);
      socket.once('close', () => {
        clearInterval(timer);
        if (!this.isClosing) this.closed.stuck++;
      });
      return;
    }
    socket.once('close', () => {
      if (!this.isClosing) this.closed.others++;
    });
    const take = this.reader();
    take(head.subarray(end));
    socket.on('data', take);
  }

  /** What a socket's bytes go into. */
  private reader(): (chunk: Buffer) => void {
    let rest: Buffer[] = [];
    let restBytes = 0;
    let wanted = 2;
    return (chunk) => {
      rest.push(chunk);
      restBytes += chunk.length;
      if (restBytes < wanted) return;
      const bytes = rest.length === 1 ? rest[0] : Buffer.concat(rest, restBytes);
      let at = 0;
      for (;;) {
        const size = frameSize(bytes, at);
        if (size === null || at + size.head + size.payload > bytes.length) {
          wanted = size === null ? bytes.length - at + 1 : size.head + size.payload;
          break;
        }
        at += size.head;
        if ((bytes[at - size.head] & 0x0f) === 1) this.take(bytes.subarray(at, at + size.payload));
        at += size.payload;
      }
      rest = at === bytes.length ? [] : [bytes.subarray(at)];
      restBytes = bytes.length - at;
    };
  }

  private take(message: Buffer): void {
    const head = message.toString('latin1', 0, HEAD_BYTES);
    if (head.startsWith(SNAPSHOT_TYPE)) this.snapshots++;
    if (!this.isMeasuring) return;
    this.messages++;
    this.bytes += message.length;
    if (!head.includes(ENGINE_MARK)) return;
    const at = message.indexOf(NOW_MARK) + NOW_MARK.length;
    const now = Date.parse(message.toString('latin1', at, at + ISO_LENGTH));
    const latencyMs = Math.max(0, Date.now() - now);
    this.latencies[Math.min(LATENCY_MS_MAX - 1, latencyMs)]++;
    const update = this.updates.get(now);
    if (update === undefined) this.updates.set(now, { readers: 1, lastMs: latencyMs });
    else {
      update.readers++;
      update.lastMs = Math.max(update.lastMs, latencyMs);
    }
  }

  private latencyAt(quantile: number): number {
    const total = this.latencies.reduce((sum, count) => sum + count, 0);
    let seen = 0;
    return this.latencies.findIndex((count) => (seen += count) >= Math.max(1, quantile * total));
  }
}

/** null: not enough of it is there. */
function frameSize(bytes: Buffer, at: number): { head: number; payload: number } | null {
  if (at + 2 > bytes.length) return null;
  const short = bytes[at + 1] & 0x7f;
  if (short < 126) return { head: 2, payload: short };
  const head = short === 126 ? 4 : 10;
  if (at + head > bytes.length) return null;
  return { head, payload: short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2)) };
}

/** A masked frame of a short text; the mask is zero. */
function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 0xff, 0, 0, 0, 0]), payload]);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({ options: { options: { type: 'string' } } });
  const audience = new Audience(JSON.parse(values.options!) as LiveAudienceOptions);
  await audience.gather();
  printEvent({ event: 'gathered' });
  await once(process.stdin, 'data');
  process.stdout.write(`${JSON.stringify(await audience.measure())}\n`);
  process.exit(0);
}
