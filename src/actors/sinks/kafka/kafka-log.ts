import type { logCreator } from 'kafkajs';
import type { Log } from '../../../runtime/log.ts';

/**
 * kafkajs' own log as lines of ours, all of them `debug`: it logs an error for every attempt to reach a broker, and what matters of that is in the error that the call
 * ends with. Only fields that are known to hold no secret are taken over.
 */
export function kafkaLog(log: Log): logCreator {
  return () => ({ namespace, label, log: { message, broker, error, retryCount } }) => {
    log.debug({ part: namespace, kafkajsLevel: label, broker, said: textOf(error), retryCount }, `kafkajs: ${textOf(message) ?? ''}`);
  };
}

/** kafkajs logs errors where messages belong. */
function textOf(said: unknown): string | undefined {
  if (said === undefined || said === null) return undefined;
  return said instanceof Error ? said.message : String(said);
}
