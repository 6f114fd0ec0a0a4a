import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import kafkajs, { type KafkaConfig } from 'kafkajs';
import { afterEach, expect, test } from 'vitest';
import type { KafkaWriterOptions } from '../../src/actors/sinks/kafka/kafka-options.ts';
import type { SinkWriter } from '../../src/actors/sinks/protocol.ts';
import { createLog, type Log } from '../../src/runtime/log.ts';
import { suiteWithOwnKafka } from '../services/service-suites.ts';
import { withAdmin, writerTo } from '../support/kafka-records.ts';
import { meterWindow } from '../support/meter-windows.ts';
import { suite } from '../support/required-suites.ts';
import { sinkBatch } from '../support/sink-batches.ts';

/** The writer to a Kafka that wants TLS, a login and rights. */

const PASSWORD = 'open-sesame-4711';
const ADMIN_PASSWORD = 'admin-sesame-4711';
const OPENSSL_HOW_TO = 'Install it with `apt-get install openssl`.';
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const certificate = hasOpenssl ? makeCertificate() : { cert: '', key: '' };

/** One line of a properties file, as Java reads it. */
function escaped(pem: string): string {
  return pem.trim().replaceAll('\n', '\\n');
}

const SETTINGS = {
  // The listener keeps the name that the cluster gave it.
  'listener.security.protocol.map': 'PLAINTEXT:SASL_SSL,CONTROLLER:PLAINTEXT',
  'inter.broker.listener.name': 'PLAINTEXT',
  'sasl.mechanism.inter.broker.protocol': 'PLAIN',
  'sasl.enabled.mechanisms': 'PLAIN',
  'listener.name.plaintext.plain.sasl.jaas.config':
    `org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="${ADMIN_PASSWORD}" user_admin="${ADMIN_PASSWORD}" user_seg="${PASSWORD}";`,
  'ssl.keystore.type': 'PEM',
  'ssl.keystore.certificate.chain': escaped(certificate.cert),
  'ssl.keystore.key': escaped(certificate.key),
  'ssl.truststore.type': 'PEM',
  'ssl.truststore.certificates': escaped(certificate.cert),
  'ssl.endpoint.identification.algorithm': '',
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'super.users': 'User:admin;User:ANONYMOUS',
};

suiteWithOwnKafka('the Kafka writer and a guarded broker', { settings: SETTINGS }, (kafka) => {
  suite('openssl', hasOpenssl, OPENSSL_HOW_TO, () => {
    const lines: string[] = [];
    const log: Log = createLog({ level: 'debug', name: 'test', pretty: false, destination: { write: (line) => void lines.push(line) } });
    const writers: SinkWriter[] = [];
    const tls = { ca: certificate.cert };
    const login = { mechanism: 'plain' as const, username: 'seg', password: PASSWORD };
    const asAdmin: Partial<KafkaConfig> = { ssl: tls, sasl: { ...login, username: 'admin', password: ADMIN_PASSWORD } };

    function newWriter(options: Partial<KafkaWriterOptions>): SinkWriter {
      const writer = writerTo(kafka().brokers, 'guarded.', options, log);
      writers.push(writer);
      return writer;
    }

    afterEach(async () => {
      await Promise.all(writers.splice(0).map((writer) => writer.close()));
      expect(lines.join('')).not.toContain(PASSWORD);
    });

    function allow(operation: number, name = 'guarded.', resourceType = kafkajs.AclResourceTypes.TOPIC): Promise<boolean> {
      const acl = { resourceType, resourceName: name, resourcePatternType: kafkajs.ResourcePatternTypes.PREFIXED, principal: 'User:seg', host: '*', operation, permissionType: kafkajs.AclPermissionTypes.ALLOW };
      return withAdmin(kafka().brokers, (admin) => admin.createAcls({ acl: [acl] }), asAdmin);
    }

    test('does not trust an authority that it was not given', async () => {
      await expect(newWriter({ tls: true, login }).open()).rejects.toMatchObject({ code: 'tls_failed', retryable: false, message: expect.stringContaining("authority of the brokers' certificates") });
    });

    test('says that the login is refused, and not with which password', async () => {
      const refusal = await newWriter({ tls, login: { ...login, password: `${PASSWORD}-wrong` } }).open().then(() => null, (error: Error) => error);
      expect(refusal).toMatchObject({ code: 'access_denied', retryable: false });
      expect(refusal!.message).toContain('check mechanism, user and password');
      expect(JSON.stringify(refusal, Object.getOwnPropertyNames(refusal)) + String(refusal!.stack)).not.toContain(PASSWORD);
    });

    test('says which rights the user lacks, for each that is missing', async () => {
      const { DESCRIBE, CREATE, WRITE, DESCRIBE_CONFIGS } = kafkajs.AclOperationTypes;
      const writer = newWriter({ tls, login });
      const refused = { code: 'access_denied', retryable: false, message: expect.stringContaining('the user needs Describe, DescribeConfigs and Write on the topics') };
      await expect(writer.open()).rejects.toMatchObject(refused);
      await allow(DESCRIBE);
      await expect(writer.open()).rejects.toMatchObject(refused);
      await allow(CREATE);
      await writer.open();
      const batch = sinkBatch({ windows: [meterWindow({})] });
      await expect(writer.write(batch)).rejects.toMatchObject(refused);
      await allow(WRITE);
      expect(await writer.write(batch)).toEqual({ written: 1, setAside: [] });
      await allow(DESCRIBE_CONFIGS);
      await writer.open();
      expect(lines.filter((line) => line.includes("Kafka's topics are ready")).map((line) => (JSON.parse(line) as { topics: { cleanupPolicy: string | null }[] }).topics[0].cleanupPolicy)).toEqual([null, 'delete']);
      expect(await withAdmin(kafka().brokers, (admin) => admin.fetchTopicOffsets('guarded.aggregates_1m'), asAdmin)).toHaveLength(3);
    });
  });
});

/** Of an authority of its own, for 127.0.0.1; both as PEM. */
function makeCertificate(): { cert: string; key: string } {
  const directory = mkdtempSync(join(tmpdir(), 'seg-kafka-access-'));
  try {
    const [certFile, keyFile] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
    const name = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...name, '-keyout', keyFile, '-out', certFile], { stdio: 'ignore' });
    return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
