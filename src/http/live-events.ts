import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js';
import type { Principal } from '../model/access.ts';
import { applicationOf, type Application, type Refusal } from './live-admission.ts';
import type { LiveHub } from './live-hub.ts';
import { channelAddress, CHANNEL_NAMES_HINT, type ChannelAddress } from './live-names.ts';
import { SUBSCRIPTIONS_PER_SOCKET_MAX, type Wish } from './live-protocol.ts';
import type { LiveReader, Outlet } from './live-reader.ts';

/**
 * The live stream as server-sent events, `GET /live/events?channels=regions,alerts`: the same messages, each with an id that says where the reader is in all of its channels. An EventSource
 * sends it back as Last-Event-ID, and goes on from there.
 */

/** What lets people in (live-stream.ts). */
export interface LiveDoor {
  readonly hub: LiveHub;
  /** Runs `enter` for whoever may come in, at once or later; else answers. */
  admit(res: HttpResponse, application: Application, enter: (principal: Principal) => void): void;
  refuse(res: HttpResponse, refusal: Refusal): void;
}

/** An event stream's way to say nothing. */
const COMMENT = ':\n\n';
/** After so many ms an EventSource connects again. */
const RETRY_MS = 2_000;
const HEADERS = [
  ['content-type', 'text/event-stream; charset=utf-8'],
  ['cache-control', 'no-store, no-transform'],
  ['x-content-type-options', 'nosniff'],
  // nginx would gather events otherwise.
  ['x-accel-buffering', 'no'],
] as const;

export function addLiveEvents(app: TemplatedApp, door: LiveDoor): void {
  app.get('/live/events', (res, req) => openEvents(res, req, door));
}

function openEvents(res: HttpResponse, req: HttpRequest, door: LiveDoor): void {
  const addresses = addressesOf(req.getQuery('channels') ?? '');
  // A page that has to open another stream, with another ticket, cannot set the header.
  const lastEventId = req.getHeader('last-event-id') || (req.getQuery('lastEventId') ?? '');
  const application = applicationOf(req);
  if (addresses === null) {
    const detail = `"channels" names 1 to ${SUBSCRIPTIONS_PER_SOCKET_MAX} channels with commas between them: ${CHANNEL_NAMES_HINT}`;
    door.refuse(res, { status: 400, code: 'unknown_channel', detail });
    return;
  }
  door.admit(res, application, (principal) => {
    const stranger = addresses.find((address) => !door.hub.mayRead(principal, address));
    if (stranger !== undefined) {
      door.refuse(res, { status: 403, code: 'forbidden', detail: `there is no such channel, or it is not yours: ${stranger.name}` });
      return;
    }
    res.cork(() => {
      const outlet = new EventOutlet(res, addresses);
      res.onAborted(() => outlet.aborted());
      const reader = door.hub.open(outlet, principal);
      outlet.serve(reader, () => door.hub.drained(reader), () => door.hub.gone(reader));
      door.hub.subscribe(reader, wishesAfter(addresses, lastEventId));
    });
  });
}

function addressesOf(channels: string): ChannelAddress[] | null {
  const addresses = channels.split(',').map(channelAddress);
  if (addresses.length > SUBSCRIPTIONS_PER_SOCKET_MAX || addresses.includes(null)) return null;
  return addresses as ChannelAddress[];
}

/** An id is of the channels in their order: seq in base 36, `~` and scope where there is one, `-` where nothing was sent; with dots between them. */
function wishesAfter(addresses: readonly ChannelAddress[], lastEventId: string): Wish[] {
  const places = lastEventId.split('.');
  return addresses.map((address, i) => {
    const [, seq, , scope] = (places.length === addresses.length && /^([0-9a-z]{1,11})(~([A-Za-z0-9_-]+))?$/.exec(places[i])) || [];
    return { address, after: seq === undefined ? null : Number.parseInt(seq, 36), scope: scope ?? null };
  });
}

class EventOutlet implements Outlet {
  readonly #res: HttpResponse;
  readonly #addresses: readonly ChannelAddress[];
  #reader: LiveReader | null = null;
  #gone: (() => void) | null = null;
  #isOpen = true;
  /** Of the messages that the socket did not take at once: uWebSockets.js does not say how much of them waits. Of a small one it says so with the next. */
  #unsentBytes = 0;

  constructor(res: HttpResponse, addresses: readonly ChannelAddress[]) {
    this.#res = res;
    this.#addresses = addresses;
    res.writeStatus('200 OK');
    for (const [name, value] of HEADERS) res.writeHeader(name, value);
    res.write(`retry: ${RETRY_MS}\n\n`);
  }

  /** `gone` is called when the client goes. */
  serve(reader: LiveReader, drained: () => void, gone: () => void): void {
    this.#reader = reader;
    this.#gone = gone;
    this.#res.onWritable(() => {
      // Whoever hears of this has to write: uWebSockets.js leaves the rest of what waits to them.
      if (!this.#isOpen || !this.#write(COMMENT)) return true;
      this.#unsentBytes = 0;
      drained();
      return true;
    });
  }

  aborted(): void {
    this.#isOpen = false;
    this.#gone?.();
  }

  send(message: Uint8Array): void {
    if (!this.#isOpen) return;
    // Before anything was subscribed to, a place would take from the client the one it has.
    const id = this.#reader === null ? '' : `id: ${this.#place()}\n`;
    const event = Buffer.concat([Buffer.from(`${id}data: `), message, Buffer.from('\n\n')]);
    if (!this.#write(event)) this.#unsentBytes += event.length;
  }

  /** One after the other: whether the socket took an event is known when it was written. */
  together(sends: () => void): void {
    sends();
  }

  /** False while something waits. */
  #write(bytes: Uint8Array | string): boolean {
    let isTaken = true;
    this.#res.cork(() => {
      isTaken = this.#res.write(bytes);
    });
    return isTaken;
  }

  unsentBytes(): number {
    return this.#unsentBytes;
  }

  end(code: number, reason: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#res.cork(() => this.#res.end(`event: close\ndata: ${JSON.stringify({ type: 'close', code, reason })}\n\n`));
  }

  destroy(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#res.close();
  }

  #place(): string {
    return this.#addresses
      .map(({ name }) => {
        const subscription = this.#reader?.subscriptions.get(name);
        if (subscription === undefined || subscription.seq === null) return '-';
        const { scope } = subscription.filter;
        return `${subscription.seq.toString(36)}${scope === null ? '' : `~${scope}`}`;
      })
      .join('.');
  }
}
