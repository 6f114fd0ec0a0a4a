import { OperationalError } from '../../../runtime/errors.ts';

/**
 * What Kafka and the way to it can say, and what to do about it. kafkajs gives the broker's answer as `type` (Kafka's own names for its error codes), wraps it in one
 * or two errors of its own, and knows of some errors that pass as if they did not.
 */

/** Refusals that pass although kafkajs says no: the broker's trouble of the moment, or sequence numbers that a new producer begins anew. */
const PASSING: ReadonlySet<string> = new Set([
  'UNKNOWN', 'KAFKAJS_UNKNOWN_ERROR_CODE', 'BROKER_NOT_AVAILABLE', 'STALE_CONTROLLER_EPOCH', 'STALE_BROKER_EPOCH', 'REASSIGNMENT_IN_PROGRESS', 'OPERATION_NOT_ATTEMPTED',
  'OUT_OF_ORDER_SEQUENCE_NUMBER', 'DUPLICATE_SEQUENCE_NUMBER', 'INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_ID_MAPPING', 'UNKNOWN_PRODUCER_ID',
]);

/** Errors of kafkajs' own that pass and that it does not call retriable. */
const PASSING_NAMES: ReadonlySet<string> = new Set(['KafkaJSTimeout', 'KafkaJSLockTimeout']);

const ON_TOPICS = 'the user needs Describe, DescribeConfigs and Write on the topics, and Create where the engine is to make them';
const CHECK_LOGIN = 'check mechanism, user and password';

/** Each with what to do about it, by the broker's name for it or by Node's code. */
const WAYS_OUT: Readonly<Record<string, { code: string; wayOut: string }>> = {
  TOPIC_AUTHORIZATION_FAILED: { code: 'access_denied', wayOut: ON_TOPICS },
  CLUSTER_AUTHORIZATION_FAILED: { code: 'access_denied', wayOut: `${ON_TOPICS}; on brokers before 2.8 also IdempotentWrite on the cluster` },
  SASL_AUTHENTICATION_FAILED: { code: 'access_denied', wayOut: CHECK_LOGIN },
  UNSUPPORTED_SASL_MECHANISM: { code: 'access_denied', wayOut: CHECK_LOGIN },
  ILLEGAL_SASL_STATE: { code: 'access_denied', wayOut: 'the brokers want a login on this port, or none; set it or leave it out' },
  INVALID_REPLICATION_FACTOR: { code: 'topics_refused', wayOut: 'the cluster has fewer brokers than a topic is to have copies; start them, or ask for fewer copies' },
  POLICY_VIOLATION: { code: 'topics_refused', wayOut: 'the cluster has rules for new topics; make the topics by hand' },
  INVALID_PARTITIONS: { code: 'topics_refused', wayOut: 'ask for another number of partitions' },
  INVALID_CONFIG: { code: 'topics_refused', wayOut: 'make the topics by hand' },
  INVALID_TOPIC_EXCEPTION: { code: 'topics_refused', wayOut: 'the prefix makes names that Kafka does not take: letters, digits, `.`, `_` and `-` are allowed' },
  UNSUPPORTED_VERSION: { code: 'kafka_refused', wayOut: 'Kafka from 2.1 on is needed' },
  UNSUPPORTED_COMPRESSION_TYPE: { code: 'kafka_refused', wayOut: 'use no compression' },
  INVALID_TIMESTAMP: { code: 'kafka_refused', wayOut: "the clock of this machine is far from the broker's; set it" },
  DEPTH_ZERO_SELF_SIGNED_CERT: { code: 'tls_failed', wayOut: 'give the authority of the brokers\' certificates' },
  SELF_SIGNED_CERT_IN_CHAIN: { code: 'tls_failed', wayOut: 'give the authority of the brokers\' certificates' },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: { code: 'tls_failed', wayOut: 'give the authority of the brokers\' certificates' },
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: { code: 'tls_failed', wayOut: 'give the authority of the brokers\' certificates' },
  CERT_HAS_EXPIRED: { code: 'tls_failed', wayOut: "renew the brokers' certificates" },
  ERR_TLS_CERT_ALTNAME_INVALID: { code: 'tls_failed', wayOut: "use the names that the brokers' certificates are for" },
  ERR_SSL_WRONG_VERSION_NUMBER: { code: 'tls_failed', wayOut: 'this port takes no TLS; use the one that does, or switch TLS off' },
  EPROTO: { code: 'tls_failed', wayOut: 'this port takes no TLS, or another kind; use the one that does' },
};

/** kafkajs reports every failure while logging in as a refused login, a lost connection too. */
const LOST_WHILE_LOGGING_IN = /timed out|[Cc]losed|Connection error|Connection timeout|Not connected/;

/** Turns whatever a call to kafkajs threw into an OperationalError that says what to do. `where` names the brokers. */
export function kafkaError(error: unknown, where: string): OperationalError {
  if (error instanceof OperationalError) return error;
  const reasons = reasonsOf(error);
  const type = typeOf(error);
  const message = messageOf(reasons[reasons.length - 1]);
  const away = (): OperationalError => new OperationalError('unavailable', `Kafka at ${where} is away: ${message}`, { retryable: true, cause: error });
  if (reasons.some(({ name, message: text }) => name === 'KafkaJSSASLAuthenticationError' && LOST_WHILE_LOGGING_IN.test(text))) return away();
  const known = type === null ? undefined : WAYS_OUT[type];
  if (known !== undefined) return new OperationalError(known.code, `Kafka at ${where} says: ${message} (${type}); ${known.wayOut}`, { cause: error });
  if (reasons.some(({ name }) => name === 'KafkaJSSASLAuthenticationError')) return new OperationalError('access_denied', `Kafka at ${where} says: ${message}; ${CHECK_LOGIN}`, { cause: error });
  if (type !== null && PASSING.has(type)) return away();
  // The innermost knows best: kafkajs wraps what it has retried often enough in an error that is not to be retried.
  const innermost = reasons[reasons.length - 1] as Error & { retriable?: unknown };
  if (innermost.retriable === true || PASSING_NAMES.has(innermost.name)) return away();
  return new OperationalError('kafka_refused', `Kafka at ${where} refuses: ${message}${type === null ? '' : ` (${type})`}`, { cause: error });
}

/** Kafka's name for what the broker answered, or Node's code for what became of the connection; null when there is neither. */
export function typeOf(error: unknown): string | null {
  for (const reason of reasonsOf(error)) {
    const { type, code } = reason as { type?: unknown; code?: unknown };
    if (typeof type === 'string') return type;
    if (typeof code === 'string' && !(reason instanceof OperationalError)) return code;
  }
  return null;
}

/** The broker found a record batch larger than it takes. */
export function isTooLarge(error: unknown): boolean {
  const type = typeOf(error);
  return type === 'MESSAGE_TOO_LARGE' || type === 'RECORD_LIST_TOO_LARGE';
}

export function isUnknownTopic(error: unknown): boolean {
  return typeOf(error) === 'UNKNOWN_TOPIC_OR_PARTITION';
}

/** The error and what it wraps, from the outside in; of many at once the first. */
function reasonsOf(error: unknown): Error[] {
  const reasons: Error[] = [];
  let at: unknown = error;
  while (at instanceof Error && !reasons.includes(at)) {
    reasons.push(at);
    const { errors } = at as { errors?: unknown };
    at = Array.isArray(errors) ? errors[0] : at.cause;
  }
  return reasons.length > 0 ? reasons : [new Error(String(error))];
}

/** Node gives a connection that failed on several addresses an empty message. */
function messageOf(error: Error): string {
  return error.message === '' ? error.name : error.message;
}
