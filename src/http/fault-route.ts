import { z } from 'zod';
import { THREAD_FAULTS } from '../runtime/thread-faults.ts';
import type { Exchange } from './exchange.ts';
import type { HttpFront } from './http-front.ts';

/** POST /fault of the ops server, for `seg prove`. Without the setting faultInjection the route is not there at all. */

/** Clocks are moved by an hour at most: what readings from the future are for is tested with minutes. */
const CLOCK_OFFSET_MS_MAX = 3_600_000;
/** A request is a line. */
const BODY_BYTES_MAX = 1_024;

const faultRequest = z.union([
  z.strictObject({ thread: z.string(), fault: z.enum(THREAD_FAULTS) }),
  z.strictObject({ clockOffsetMs: z.int().min(-CLOCK_OFFSET_MS_MAX).max(CLOCK_OFFSET_MS_MAX) }),
]);

/** Breaks the named thread (`shard-0`, `ingest-0`), or moves the wall clock of all threads. */
export type FaultRequest = z.output<typeof faultRequest>;

/** Adds the route; `inject` resolves when the fault is under way. */
export function routeFaults(front: HttpFront, inject: (request: FaultRequest) => Promise<void>): void {
  front.route('/fault', {
    async POST(exchange) {
      const parsed = faultRequest.safeParse(await jsonBody(exchange));
      if (!parsed.success) {
        exchange.problem({ status: 400, code: 'invalid_fault', detail: `Send {"thread":"shard-0","fault":"${THREAD_FAULTS.join('|')}"} or {"clockOffsetMs":60000}.` });
        return;
      }
      await inject(parsed.data);
      exchange.json(202, { status: 'under way' });
    },
  });
}

/** The body as a value; undefined when it is too long or not JSON. */
function jsonBody(exchange: Exchange): Promise<unknown> {
  return new Promise((resolve) => {
    let text = '';
    exchange.onEnded(() => resolve(undefined));
    exchange.onData((chunk, isLast) => {
      if (text.length <= BODY_BYTES_MAX) text += Buffer.from(chunk).toString('utf8');
      if (!isLast) return;
      try {
        resolve(text.length > BODY_BYTES_MAX ? undefined : JSON.parse(text));
      } catch {
        resolve(undefined);
      }
    });
  });
}
