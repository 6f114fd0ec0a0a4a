import type { MessagePort, Transferable } from 'node:worker_threads';
import { invariant } from './errors.ts';

/**
 * One end of an ordered, two-way pipe of messages. Messages that come before `onMessage` wait for it. Nothing is delivered after `close`,
 * and a post into a closed pipe goes nowhere: whoever needs an answer hears of it through `onClose`.
 */
export interface Transport {
  /**
   * Sends a structured clone of `message`. Buffers and ports in `transfer` move instead and are unusable here afterwards.
   * Throws what cannot be cloned (DataCloneError) and then has sent nothing.
   */
  post(message: unknown, transfer?: readonly Transferable[]): void;
  /** Sets the one receiver of this end. */
  onMessage(fn: (message: unknown) => void): void;
  /** Called once when either end has closed, or the thread of the other has died; also when that was before this call. */
  onClose(fn: () => void): void;
  /** Closes both ends. What the other end has been sent is still delivered. */
  close(): void;
}

/** A transport over a MessagePort, which it owns from here on. The listening port keeps its thread alive until it is closed. */
export function portTransport(port: MessagePort): Transport {
  return new PortTransport(port);
}

class PortTransport implements Transport {
  private readonly port: MessagePort;
  private readonly closeSignal = new CloseSignal();
  private receiving = false;
  private closed = false;

  constructor(port: MessagePort) {
    this.port = port;
    port.on('close', () => this.closeSignal.raise());
    // A message that cannot be read would leave its sender waiting for ever: better a closed pipe, which everybody notices.
    port.on('messageerror', () => this.close());
  }

  post(message: unknown, transfer?: readonly Transferable[]): void {
    if (transfer === undefined) this.port.postMessage(message);
    else this.port.postMessage(message, transfer);
  }

  onMessage(fn: (message: unknown) => void): void {
    invariant(!this.receiving, 'a transport has one receiver');
    this.receiving = true;
    this.port.on('message', (message) => {
      // A port delivers what is queued even after it was closed.
      if (!this.closed) fn(message);
    });
  }

  onClose(fn: () => void): void {
    this.closeSignal.listen(fn);
  }

  close(): void {
    this.closed = true;
    this.port.close();
  }
}

/**
 * Both ends of a pipe inside one thread, for tests and the simulator. Messages are cloned and buffers detached as between threads.
 * `schedule` decides when each delivery happens (queueMicrotask, a virtual timer); whatever order it runs them in, messages of one
 * direction arrive in the order they were sent.
 */
export function memoryTransportPair(schedule: (deliver: () => void) => void): [Transport, Transport] {
  const first = new MemoryTransport(schedule);
  const second = new MemoryTransport(schedule);
  first.peer = second;
  second.peer = first;
  return [first, second];
}

/** Stands in an inbox for the end of the pipe, behind the messages sent before it. */
const CLOSED = Symbol('closed');

class MemoryTransport implements Transport {
  peer: MemoryTransport | null = null;
  private readonly schedule: (deliver: () => void) => void;
  private readonly closeSignal = new CloseSignal();
  private receive: ((message: unknown) => void) | null = null;
  /** Unbounded like a MessagePort's queue: credits above it are the bound. */
  private readonly inbox: unknown[] = [];
  /** Scheduled deliveries that found no receiver yet. */
  private deliveriesOwed = 0;
  private closed = false;

  constructor(schedule: (deliver: () => void) => void) {
    this.schedule = schedule;
  }

  post(message: unknown, transfer?: readonly Transferable[]): void {
    const copy = structuredClone(message, transfer === undefined ? undefined : { transfer: [...transfer] });
    this.peer?.accept(copy);
  }

  onMessage(fn: (message: unknown) => void): void {
    invariant(this.receive === null, 'a transport has one receiver');
    this.receive = fn;
    for (; this.deliveriesOwed > 0; this.deliveriesOwed--) this.schedule(this.deliver);
  }

  onClose(fn: () => void): void {
    this.closeSignal.listen(fn);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.inbox.length = 0;
    this.schedule(() => this.closeSignal.raise());
    this.peer?.accept(CLOSED);
  }

  private accept(message: unknown): void {
    if (this.closed) return;
    this.inbox.push(message);
    this.schedule(this.deliver);
  }

  private readonly deliver = (): void => {
    if (this.closed || this.inbox.length === 0) return;
    if (this.inbox[0] === CLOSED) {
      this.closed = true;
      this.inbox.length = 0;
      this.closeSignal.raise();
      return;
    }
    if (this.receive === null) {
      this.deliveriesOwed++;
      return;
    }
    this.receive(this.inbox.shift());
  };
}

/** Tells each listener once, also the one that comes too late. */
class CloseSignal {
  private raised = false;
  private listeners: (() => void)[] = [];

  listen(fn: () => void): void {
    if (this.raised) queueMicrotask(fn);
    else this.listeners.push(fn);
  }

  raise(): void {
    if (this.raised) return;
    this.raised = true;
    const listeners = this.listeners;
    this.listeners = [];
    for (const fn of listeners) fn();
  }
}
