import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Kafka, logLevel, type ISocketFactoryArgs, type RetryOptions, type SASLOptions } from 'kafkajs';
import type { Log } from '../../../runtime/log.ts';
import { kafkaLog } from './kafka-log.ts';
import type { KafkaSettings } from './kafka-options.ts';

/**
 * A client of kafkajs with the sockets it opened, so that it can be given up at once: kafkajs itself closes a connection only after the requests on it have been
 * answered or have timed out, which a hanging broker makes long.
 */

/** To a broker that is there it takes milliseconds; a dead machine does not refuse. */
const CONNECT_TIMEOUT_MS = 5_000;
const KEEP_ALIVE_MS = 60_000;
/**
 * Covers an election of a leader (a second or two). What takes longer is the pump's to wait for. All values are set: kafkajs has others where NODE_ENV is `test`, and
 * no end of retries for an idempotent producer.
 */
export const RETRY: RetryOptions = { retries: 4, initialRetryTime: 200, factor: 0.2, multiplier: 2, maxRetryTime: 2_000 };

export class KafkaConnection {
  readonly client: Kafka;
  private readonly sockets = new Set<Socket>();
  private isCut = false;

  constructor({ brokers, engineId, tls, login, requestTimeoutMs }: KafkaSettings, log: Log) {
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
      socketFactory: (address) => this.openSocket(address),
      logLevel: logLevel.INFO,
      logCreator: kafkaLog(log),
    });
  }

  /** Ends everything under way on it, now; whatever waits for an answer fails. */
  cut(): void {
    this.isCut = true;
    for (const socket of this.sockets) socket.destroy(new Error('given up'));
  }

  private openSocket({ host, port, ssl, onConnect }: ISocketFactoryArgs): Socket {
    if (this.isCut) throw new Error('given up');
    const serverName = isIP(host) === 0 ? { servername: host } : {};
    const socket = ssl ? connectTls({ host, port, ...serverName, ...(typeof ssl === 'object' ? ssl : {}) }, onConnect) : connectTcp({ host, port }, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
    return socket;
  }
}
