import kafkajs from 'kafkajs';
import { describe, expect, test } from 'vitest';
import { isTooLarge, isUnknownTopic, kafkaError } from '../../src/actors/sinks/kafka/kafka-errors.ts';
import { OperationalError } from '../../src/runtime/errors.ts';

// The types that come with kafkajs leave arguments out.
const errors = kafkajs as unknown as Record<string, new (...args: unknown[]) => Error>;
const { KafkaJSConnectionError, KafkaJSLockTimeout, KafkaJSNonRetriableError, KafkaJSNumberOfRetriesExceeded, KafkaJSProtocolError, KafkaJSSASLAuthenticationError } = errors;

const WHERE = 'broker-1:9092';

/** As kafkajs makes one of a broker's answer. */
function answer(type: string, retriable: boolean): Error {
  return new KafkaJSProtocolError(Object.assign(new Error(`says ${type}`), { type, code: 1, retriable }));
}

/** As kafkajs ends when it has retried often enough. */
function retried(error: Error): Error {
  return new KafkaJSNumberOfRetriesExceeded(error, { retryCount: 4, retryTime: 2_000 });
}

function connectionError(code: string): Error {
  return new KafkaJSConnectionError(`Connection error: connect ${code}`, { broker: WHERE, code });
}

describe("an error of kafkajs'", () => {
  test.each([
    ['a broker that is down', retried(connectionError('ECONNREFUSED'))],
    ['an election', retried(answer('LEADER_NOT_AVAILABLE', true))],
    ['too few replicas', retried(answer('NOT_ENOUGH_REPLICAS', true))],
    ['a slow replica', retried(answer('REQUEST_TIMED_OUT', true))],
    ['a lock that a hanging connection holds', new KafkaJSLockTimeout('Timeout while acquiring lock')],
    ['sequence numbers that the broker has lost', new KafkaJSNonRetriableError(answer('UNKNOWN_PRODUCER_ID', false), { cause: answer('UNKNOWN_PRODUCER_ID', false) })],
    ['sequence numbers out of order', answer('OUT_OF_ORDER_SEQUENCE_NUMBER', false)],
    ...['Closed connection', 'Connection error: read ECONNRESET', 'Connection timeout', 'Request SaslAuthenticate(key: 36, version: 0) timed out', 'Not connected'].map(
      (text): [string, Error] => [`what is lost while logging in: ${text}`, new KafkaJSSASLAuthenticationError(`SASL PLAIN authentication failed: ${text}`)],
    ),
  ])('is retryable: %s', (_what, error) => {
    expect(kafkaError(error, WHERE)).toMatchObject({ code: 'unavailable', retryable: true, cause: error });
  });

  test.each([
    ['a wrong password', new KafkaJSSASLAuthenticationError('SASL PLAIN authentication failed: Authentication failed: Invalid username or password'), 'access_denied', /check mechanism, user and password/],
    ['a topic that the user may not write', answer('TOPIC_AUTHORIZATION_FAILED', false), 'access_denied', /needs Describe, DescribeConfigs and Write/],
    ['a rule of the cluster', answer('POLICY_VIOLATION', false), 'topics_refused', /make the topics by hand/],
    ['more copies than brokers', answer('INVALID_REPLICATION_FACTOR', false), 'topics_refused', /ask for fewer copies/],
    ['an unknown authority', retried(connectionError('SELF_SIGNED_CERT_IN_CHAIN')), 'tls_failed', /authority of the brokers' certificates/],
    ['what nobody thought of', new KafkaJSNonRetriableError('Invalid topic'), 'kafka_refused', /refuses: Invalid topic/],
  ])('is not retryable and says what to do: %s', (_what, error, code, message) => {
    const made = kafkaError(error, WHERE);
    expect(made).toMatchObject({ code, retryable: false, cause: error });
    expect(made.message).toMatch(message);
    expect(made.message).toContain(WHERE);
  });

  test('is told by what is wrapped in it', () => {
    expect(isTooLarge(new KafkaJSNonRetriableError(answer('MESSAGE_TOO_LARGE', false), { cause: answer('MESSAGE_TOO_LARGE', false) }))).toBe(true);
    expect(isUnknownTopic(retried(answer('UNKNOWN_TOPIC_OR_PARTITION', true)))).toBe(true);
    expect(isUnknownTopic(retried(connectionError('ECONNREFUSED')))).toBe(false);
  });

  test('passes when it is one of ours already', () => {
    const ours = new OperationalError('topics_missing', 'none');
    expect(kafkaError(ours, WHERE)).toBe(ours);
  });
});
