import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads';
import { THREAD_ARGUMENTS } from './thread-arguments.ts';

/**
 * Buffers that a thread of its own makes and writes to once, while another fills those that are ready. The kernel gives memory when it is first written to, a page of 4 KiB
 * at a time: a gigabyte takes half a second of a thread, and three on a virtual machine whose host has to find it first (measured).
 *
 * They are shared memory, which V8 does not count as its heap's: a gigabyte of other buffers has it look through the whole heap for each 64 MB that come.
 */

/** What the thread is told. */
export interface TouchedMemoryTask {
  bufferBytes: number;
  buffers: number;
  /** Two Int32: buffers that somebody has begun to make, and those that the thread has handed over. */
  counts: SharedArrayBuffer;
  port: MessagePort;
}

export const BEGUN = 0;
export const HANDED_OVER = 1;

/** The thread's last buffer is on its way for no longer, ms; one that is gone is not missed. */
const LAST_BUFFER_MS_MAX = 1_000;

export class TouchedMemory {
  private readonly bufferBytes: number;
  private readonly buffers: number;
  private readonly counts = new Int32Array(new SharedArrayBuffer(8));
  private readonly port: MessagePort;
  private received = 0;
  /** By this thread. */
  private made = 0;

  /** Makes `buffers` of them, all to be taken. */
  constructor(bufferBytes: number, buffers: number) {
    this.bufferBytes = bufferBytes;
    this.buffers = buffers;
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    port1.unref();
    const task: TouchedMemoryTask = { bufferBytes, buffers, counts: this.counts.buffer as SharedArrayBuffer, port: port2 };
    const thread = new Worker(new URL('./touched-memory-thread.ts', import.meta.url), { workerData: task, transferList: [port2], execArgv: THREAD_ARGUMENTS });
    // Without it this thread makes them all.
    thread.on('error', () => {});
    thread.unref();
  }

  /** Buffers that the thread has made so far. */
  get handedOver(): number {
    return Atomics.load(this.counts, HANDED_OVER);
  }

  /** A buffer of zeros: one that is ready, else a new one. */
  take(): SharedArrayBuffer {
    const ready = this.receive();
    if (ready !== null) return ready;
    const isUnderWay = Atomics.add(this.counts, BEGUN, 1) >= this.buffers && this.received + this.made < this.buffers;
    if (isUnderWay) {
      Atomics.wait(this.counts, HANDED_OVER, this.received, LAST_BUFFER_MS_MAX);
      const last = this.receive();
      if (last !== null) return last;
    }
    this.made++;
    return new SharedArrayBuffer(this.bufferBytes);
  }

  /** No more are wanted. */
  end(): void {
    Atomics.store(this.counts, BEGUN, this.buffers);
    this.port.close();
  }

  private receive(): SharedArrayBuffer | null {
    const message = receiveMessageOnPort(this.port) as { message: SharedArrayBuffer } | undefined;
    if (message === undefined) return null;
    this.received++;
    return message.message;
  }
}
