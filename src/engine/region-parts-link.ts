import { MessageChannel } from 'node:worker_threads';
import type { RegionPart } from '../actors/shard/protocol.ts';
import type { RegionWindowKey } from '../actors/sinks/protocol.ts';
import type { SharedClock } from '../runtime/clock.ts';
import type { OperationalError } from '../runtime/errors.ts';
import type { Log } from '../runtime/log.ts';
import { Responder } from '../runtime/request-channel.ts';
import { portTransport } from '../runtime/transport.ts';
import type { AskShard } from './ask-shard.ts';
import type { ConnectableThread } from './shard-links.ts';

/** What regional windows are made of lies with all nodes of a cluster; the sink thread asks the main thread for it, which knows the way. */

/** Purpose of the port. */
export const REGION_PARTS_PORT = 'region-parts';
/** One for each sink: each puts one question at a time (sinks/region-parts-gather.ts). */
export const REGION_PARTS_QUESTIONS_MAX = 4;

export interface RegionPartsQuestion {
  keys: readonly RegionWindowKey[];
}

/** Lets the thread ask for parts of all partitions, wherever they are. It is answered, or refused, as a whole. */
export function answerRegionParts(thread: ConnectableThread, partitionCount: number, modules: { ask: AskShard; clock: SharedClock; log: Log }): void {
  const { ask, clock, log } = modules;
  const { port1, port2 } = new MessageChannel();
  const channel = { name: 'main', mailboxMax: REGION_PARTS_QUESTIONS_MAX, epoch: thread.epoch, onFailure: (error: unknown) => log.error({ err: error }, 'a question for parts of regional windows failed') };
  new Responder<RegionPartsQuestion, RegionPart[]>(
    portTransport(port1),
    ({ keys }, reply) => {
      // One object, so that what goes to one node is one question.
      const query = { kind: 'regionPartsByKey' as const, keys };
      Promise.all(Array.from({ length: partitionCount }, (_, partition) => ask<'regionPartsByKey'>(partition, query))).then(
        (answers) => reply.ok(answers.flat()),
        (error: unknown) => reply.fail(error as OperationalError),
      );
    },
    channel,
    { clock },
  );
  thread.connect(REGION_PARTS_PORT, port2, { epoch: thread.epoch });
}
