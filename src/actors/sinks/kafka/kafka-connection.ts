import { Kafka, logLevel, type RetryOptions, type SASLOptions } from 'kafkajs';
import type { Log } from '../../../runtime/log.ts';
import { kafkaLog } from './kafka-log.ts';
import type { KafkaSettings } from './kafka-options.ts';
import { KafkaSockets } from './kafka-sockets.ts';

/** To a broker that is there it takes milliseconds; a dead machine does not refuse. */
export const CONNECT_TIMEOUT_MS = 5_000;
/**
 * Covers an election of a leader (a second or two). What takes longer is the pump's to wait for. All values are set: kafkajs has others where NODE_ENV is `test`, and
 * no end of retries for an idempotent producer.
 */
export const RETRY: RetryOptions = { retries: 4, initialRetryTime: 200, factor: 0.2, multiplier: 2, maxRetryTime: 2_000 };

/** How a client reaches the brokers. */
export type KafkaAccess = Pick<KafkaSettings, 'brokers' | 'engineId' | 'tls' | 'login' | 'requestTimeoutMs'>;

/** A client of kafkajs that can be given up at once. */
export class KafkaConnection {
  readonly client: Kafka;
  private readonly sockets = new KafkaSockets();

  constructor({ brokers, engineId, tls, login, requestTimeoutMs }: KafkaAccess, log: Log) {
    this.client = new Kafka({
      brokers: [...brokers],
      clientId: `seg-${engineId}`,
      ssl: tls,
      // A copy, as kafkajs writes into it. Its type pairs each mechanism with options of its own; those of ours are the same.
      ...(login === null ? {} : { sasl: { ...login } as SASLOptions }),
      connectionTimeout: CONNECT_TIMEOUT_MS,
      authenticationTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      enforceRequestTimeout: true,
      retry: RETRY,
      socketFactory: (address) => this.sockets.open(address),
      logLevel: logLevel.INFO,
      logCreator: kafkaLog(log),
    });
  }

  /** Ends everything under way on it, now; whatever waits for an answer fails. */
  cut(): void {
    this.sockets.cut();
  }
}
