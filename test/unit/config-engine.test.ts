import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { areAlertsOn } from '../../src/engine/alert-settings.ts';
import { planBilling } from '../../src/engine/billing-settings.ts';
import { engineSettings, DEMO_REGION_CAPACITIES_KW, ENV_PREFIX, engineConfigSchema, loadEngineConfig } from '../../src/engine/engine-config.ts';
import { sinkNames } from '../../src/engine/sink-options.ts';
import { describeConfig } from '../../src/runtime/config.ts';
import { removeDirectory, temporaryDirectory } from '../support/engine-process.ts';

function load(env: Record<string, string> = {}, cores = 4) {
  return loadEngineConfig({ cores }, { args: {}, env, file: null });
}

describe('the engine settings', () => {
  test('have the defaults of DESIGN.md', () => {
    expect(load()).toMatchObject({
      dataDir: './data', host: '127.0.0.1', ingestPort: 3001, httpPort: 3000, opsPort: 3002,
      shards: 3, ingestThreads: 1, partitions: 64, latenessMs: 30_000, correctionHorizonMs: 40 * 86_400_000,
      logLevel: 'info', logPretty: null, meterLimit: 2_000_000, nominalVoltage: 230,
    });
    expect({ ...load().regionCapacities }).toEqual(DEMO_REGION_CAPACITIES_KW);
  });

  test('leave one core to the main and ingest threads, and need at least one shard', () => {
    expect([1, 2, 8, 1_000].map((cores) => load({}, cores).shards)).toEqual([1, 1, 7, 64]);
  });

  test.each(['0.0.0.0', '192.168.1.5', '::', '2001:db8::1'])('refuse to listen on %j, which others can reach, without accounts', (host) => {
    expect(() => load({ SEG_HOST: host, SEG_AUTH: 'off' })).toThrow(/SEG_HOST in the environment: without accounts \(auth is off\) only 127\.0\.0\.1, ::1 or localhost is allowed, because/);
    expect(load({ SEG_HOST: host })).toMatchObject({ host, auth: true });
  });

  test.each(['example.org', '127.0.0.999', '127.evil.example'])('refuse to listen on the name %j, which somebody else can point anywhere', (host) => {
    expect(() => load({ SEG_HOST: host })).toThrow(/expected an IP address, or localhost/);
  });

  test('have accounts, and an issuer beside them with all that it needs', () => {
    expect(load()).toMatchObject({ auth: true, registration: false, oidcIssuer: null });
    expect(() => load({ SEG_REGISTRATION: 'on' })).toThrow('needs smtpUrl too');
    expect(() => load({ SEG_OIDC_ISSUER: 'https://id.example.org' })).toThrow('needs oidcAudience too');
    expect(() => load({ SEG_OIDC_ISSUER: 'http://id.example.org', SEG_OIDC_AUDIENCE: 'seg' })).toThrow('an issuer is reached by https');
    expect(load({ SEG_OIDC_ISSUER: 'https://id.example.org/', SEG_OIDC_AUDIENCE: 'seg' }).oidcIssuer).toBe('https://id.example.org/');
    const issuer = { SEG_OIDC_ISSUER: 'https://id.example.org', SEG_OIDC_AUDIENCE: 'seg' };
    expect(load({ ...issuer, SEG_OIDC_CLIENT_ID: 'grid' })).toMatchObject({ oidcClientId: 'grid', oidcClientSecret: null, oidcScopes: 'openid profile email' });
    expect(() => load({ SEG_OIDC_CLIENT_ID: 'grid' })).toThrow('needs oidcIssuer too');
    expect(() => load({ ...issuer, SEG_OIDC_CLIENT_SECRET: 'geheim' })).toThrow(/needs oidcClientId too(?!.*geheim)/);
    expect(() => load({ ...issuer, SEG_OIDC_CLIENT_ID: 'grid', SEG_OIDC_SCOPES: 'profile email' })).toThrow('openid among them');
    expect(() => load({ ...issuer, SEG_OIDC_CLIENT_ID: 'grid', SEG_OIDC_SCOPES: 'openid  profile' })).toThrow('expected scopes');
    expect(load({ SEG_OIDC_ISSUER: 'http://127.0.0.1:9000/realm', SEG_OIDC_AUDIENCE: 'seg' }).oidcIssuer).toBe('http://127.0.0.1:9000/realm');
  });

  test.each(['localhost', '::1', '127.0.0.2'])('accept the loopback address %s', (host) => {
    expect(load({ SEG_HOST: host, SEG_AUTH: 'off' }).host).toBe(host);
  });

  test('let the variables of the test suites pass', () => {
    expect(() => load({ SEG_TEST_CHROMIUM: '/usr/bin/chromium', SEG_REQUIRE_ALL_SUITES: '1' })).not.toThrow();
  });

  test('refuse settings that contradict each other', () => {
    expect(() => load({ SEG_HTTP_PORT: '3001' })).toThrow('SEG_HTTP_PORT in the environment: ingestPort is 3001 too');
    expect(() => load({ SEG_HTTP_PORT: '0', SEG_OPS_PORT: '0', SEG_INGEST_PORT: '0' })).not.toThrow();
    expect(() => load({ SEG_INGEST_PORT: '0', SEG_INGEST_THREADS: '2' })).toThrow('several ingest threads share one port');
    expect(() => load({ SEG_LATENESS: '61s' })).toThrow('from 0s to 60s');
    expect(() => load({ SEG_REGION_LIMIT: '9' })).toThrow('names more regions than regionLimit allows (9)');
  });

  test('never repeat a secret, and name what is wrong with it', () => {
    const faults = (env: Record<string, string>): string => {
      try {
        load(env);
      } catch (error) {
        return (error as Error).message;
      }
      return 'none';
    };
    expect(faults({ SEG_TIMESCALE_URL: 'mysql://seg:geheim@db/grid' })).toMatch(/SEG_TIMESCALE_URL in the environment: the URL of the database is not of the form/);
    expect(faults({ SEG_TIMESCALE_URL: 'mysql://seg:geheim@db/grid', SEG_KAFKA_PASSWORD: ' ' })).not.toMatch(/geheim|got/);
    expect(faults({ SEG_KAFKA_BROKERS: 'kafka' })).toMatch(/expected brokers such as kafka-1:9092,kafka-2:9092, got/);
    expect(faults({ SEG_KAFKA_BROKERS: 'kafka:9092', SEG_KAFKA_MECHANISM: 'plain', SEG_KAFKA_USERNAME: 'seg' })).toMatch(/a login needs kafkaUsername and kafkaPassword too/);
    expect(faults({ SEG_TIMESCALE_RETENTION1M: '12h' })).toMatch(/from 1d to 365d, or forever/);
  });

  test('are shown without secrets', () => {
    const env = { SEG_TIMESCALE_URL: 'postgres://seg:geheim@db/grid', SEG_SMTP_URL: 'smtp://ada:geheim@mail:25', SEG_SMTP_FROM: 'grid@example.org', SEG_LATENESS: '2s', SEG_REGION_CAPACITIES: 'north=5' };
    const shown = engineSettings(load(env));
    expect(JSON.stringify(shown)).not.toContain('geheim');
    const of = (name: string) => shown.find((setting) => setting.name === name);
    expect(of('SEG_TIMESCALE_URL')).toEqual({ name: 'SEG_TIMESCALE_URL', value: null, isSecret: true, isSet: true });
    expect(of('SEG_SMTP_URL')).toMatchObject({ value: null, isSecret: true, isSet: true });
    expect(of('SEG_KAFKA_PASSWORD')).toMatchObject({ value: null, isSecret: true, isSet: false });
    expect(of('SEG_LATENESS')).toEqual({ name: 'SEG_LATENESS', value: '2000', isSecret: false, isSet: true });
    expect(of('SEG_REGION_CAPACITIES')!.value).toBe('{"north":5}');
    expect(of('SEG_PUBLIC_URL')).toEqual({ name: 'SEG_PUBLIC_URL', value: null, isSecret: false, isSet: false });
  });

  test('name the systems beside the engine, none by default', () => {
    expect(sinkNames(load({}))).toEqual([]);
    expect(sinkNames(load({ SEG_LOG: 'kafka', SEG_KAFKA_BROKERS: 'a:9092', SEG_KAFKA_RESULTS: 'off' }))).toEqual([]);
    const config = load({ SEG_TIMESCALE_URL: 'postgres://seg:x@db/grid', SEG_KAFKA_BROKERS: 'a:9092, b:9093', SEG_TIMESCALE_RETENTION1M: 'forever' });
    expect([sinkNames(config), config.kafkaBrokers, config.timescaleRetention1mMs, config.timescaleRetention15mMs]).toEqual([['timescale', 'kafka'], ['a:9092', 'b:9093'], null, 365 * 86_400_000]);
  });

  test('have alerts on, and off where several engines share a log, unless they say otherwise', () => {
    const kafka = { SEG_LOG: 'kafka', SEG_KAFKA_BROKERS: 'a:9092' };
    expect([load(), load({ SEG_ALERTS: 'off' }), load(kafka), load({ ...kafka, SEG_ALERTS: 'on' })].map(areAlertsOn)).toEqual([true, false, false, true]);
  });

  test('have tariffs and bills in the same way, with price rules that are there and right', () => {
    const kafka = { SEG_LOG: 'kafka', SEG_KAFKA_BROKERS: 'a:9092' };
    expect([load(), load({ SEG_BILLING: 'off' }), load(kafka), load({ ...kafka, SEG_BILLING: 'on' })].map((config) => planBilling(config) !== null)).toEqual([true, false, false, true]);
    expect(planBilling(load())!.priceRules).toMatchObject({ currency: 'EUR', basePrice: '0.20' });
    const directory = temporaryDirectory();
    try {
      const file = join(directory, 'prices.json');
      const plan = (text: string) => {
        writeFileSync(file, text);
        return planBilling(load({ SEG_PRICE_RULES_FILE: file }))!;
      };
      expect(plan('{"format":"seg-prices/1","currency":"AUD","basePrice":"0.30"}').priceRules).toMatchObject({ currency: 'AUD', basePrice: '0.30', digits: 2 });
      expect(() => plan('{"format":"seg-prices/1","currency":"dollars","basePrice":0.3}')).toThrow(/^The price rules in .*prices\.json cannot be used:\n  - currency: expected a currency.*\n  - basePrice: /);
      expect(() => plan('{')).toThrow(/cannot be read/);
      writeFileSync(file, '{"name":"Grid AG","address":["Bahnhofstrasse 1"]}');
      expect(planBilling(load({ SEG_BILL_ISSUER_FILE: file }))!.issuer).toMatchObject({ name: 'Grid AG', account: null });
      writeFileSync(file, '{"colour":"red"}');
      expect(() => planBilling(load({ SEG_BILL_ISSUER_FILE: file }))).toThrow(/^The issuer of bills in .*\n  - name: .*\n  - colour: expected a colour/);
      expect(() => planBilling(load({ SEG_PRICE_RULES_FILE: join(directory, 'nothing.json') }))).toThrow(/ENOENT/);
    } finally {
      removeDirectory(directory);
    }
  });

  test('have a way to people when all that it needs is there', () => {
    const account = { SEG_TWILIO_ACCOUNT_SID: `AC${'0'.repeat(32)}` };
    expect(() => load(account)).toThrow('SEG_TWILIO_ACCOUNT_SID in the environment: SMS need twilioAuthToken and twilioFrom too');
    expect(() => load({ ...account, SEG_TWILIO_AUTH_TOKEN: 't', SEG_TWILIO_FROM: '0791234567' })).toThrow('expected a number such as +41791234567');
    expect(load({ ...account, SEG_TWILIO_AUTH_TOKEN: 't', SEG_TWILIO_FROM: '+41791234567' }).twilioBaseUrl).toBe('https://api.twilio.com');
    expect(() => load({ SEG_SMTP_URL: 'smtp://u:geheim@mail' })).toThrow(/SEG_SMTP_URL in the environment: e-mails need smtpFrom too$/);
    expect(() => load({ SEG_SMTP_URL: 'http://u:geheim@mail' })).toThrow(/expected a URL such as smtps:\/\/user:password@mail\.example\.org:465$/);
    expect(() => load({ SEG_SMTP_URL: 'smtps://u:p@mail:465', SEG_SMTP_FROM: 'two@example.org, three@example.org' })).toThrow('SEG_SMTP_FROM in the environment: expected an address');
    expect(load({ SEG_SMTP_URL: 'smtps://u:p@mail:465', SEG_SMTP_FROM: 'Grid <grid@example.org>', SEG_PUBLIC_URL: 'https://grid.example.org/' })).toMatchObject({ smtpFrom: 'Grid <grid@example.org>', publicUrl: 'https://grid.example.org' });
    expect(() => load({ SEG_PUBLIC_URL: 'grid.example.org' })).toThrow('expected an address such as https://grid.example.org');
  });

  test('take region capacities from the environment', () => {
    expect({ ...load({ SEG_REGION_CAPACITIES: 'north=120.5,constructor=80' }).regionCapacities }).toEqual({ north: 120.5, constructor: 80 });
  });

  test('describe every setting in one sentence or more, each with a default and an expectation', () => {
    const rows = describeConfig(engineConfigSchema({ cores: 2 }), ENV_PREFIX);
    expect(rows.length).toBeGreaterThan(25);
    for (const row of rows) {
      expect(row.description, row.name).toMatch(/\.$/);
      expect(row.expects, row.name).not.toBe('');
      expect(row.defaultText, row.name).not.toBe('');
    }
    expect(rows.map((row) => row.env)).toEqual(
      expect.arrayContaining(['SEG_DATA_DIR', 'SEG_INGEST_PORT', 'SEG_HTTP_PORT', 'SEG_OPS_PORT', 'SEG_HOST', 'SEG_SHARDS', 'SEG_INGEST_THREADS', 'SEG_LATENESS', 'SEG_LOG_LEVEL']),
    );
  });
});
