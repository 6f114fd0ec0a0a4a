import { afterEach, describe, expect, it } from 'vitest';
import { suiteWithKafka } from '../services/service-suites.ts';
import { post } from '../support/engine-api.ts';
import { EngineProcess, eventually, removeDirectory, seg, temporaryDirectory } from '../support/engine-process.ts';
import { deleteTopics, withAdmin } from '../support/kafka-records.ts';
import { logSettings, LogWorkload } from '../support/log-engines.ts';

/** What an engine whose log is to be in Kafka checks before it starts. */

describe('settings of a log in Kafka', () => {
  it('are refused where they contradict each other', async () => {
    const env = { SEG_LOG: 'kafka', SEG_NODE_URL: 'http://10.0.0.1:3000' };
    const { code, stderr } = await seg(['start'], { env });
    expect(code).toBe(2);
    expect(stderr).toMatch(/a log in Kafka needs kafkaBrokers too/);
    expect(stderr).toMatch(/the engines need a secret/);
  });
});

suiteWithKafka('the start of an engine whose log is in Kafka', (kafka) => {
  const directories: string[] = [];
  const name = (): string => `start-${Math.random().toString(36).slice(2)}`;

  afterEach(() => {
    for (const directory of directories.splice(0)) removeDirectory(directory);
  });

  async function refusal(settings: Readonly<Record<string, string>>, dataDir = temporaryDirectory()): Promise<string> {
    directories.push(dataDir);
    const engine = EngineProcess.spawn({ dataDir, settings });
    expect(await engine.exited()).not.toBe(0);
    return engine.stderr;
  }

  async function makeTopic(topic: string, numPartitions: number, settings: Readonly<Record<string, string>>): Promise<void> {
    const configEntries = Object.entries(settings).map(([key, value]) => ({ name: key, value }));
    await withAdmin(kafka().brokers, (admin) => admin.createTopics({ topics: [{ topic, numPartitions, configEntries }] }));
  }

  it('says what is wrong with topics that were made otherwise, and the command that mends it', { timeout: 60_000 }, async () => {
    const group = name();
    await makeTopic(`${group}.raw_readings`, 3, { 'cleanup.policy': 'compact' });
    await makeTopic(`${group}.seg_state`, 2, {});
    const said = await refusal(logSettings(kafka().brokers, group));
    expect(said).toMatch(/keeps its producers' times.*message\.timestamp\.type=LogAppendTime/);
    expect(said).toMatch(/is compacted and would lose readings/);
    expect(said).toMatch(/would lose state that did not change for long/);
    expect(said).toMatch(/has 2 partitions and .* has 3/);
  });

  it('stops serving a log that was deleted, and one that was made anew in its place, and says so', { timeout: 60_000 }, async () => {
    const group = name();
    const engine = await EngineProcess.start({ settings: logSettings(kafka().brokers, group) });
    directories.push(engine.dataDir);
    try {
      const work = new LogWorkload(4);
      const readings = work.minutes(0, 5);
      await post(engine, readings);
      work.took(readings);
      await work.expectWindows([engine]);
      await deleteTopics(kafka().brokers, `${group}.`, ['raw_readings']);
      const refusedAs = (code: string) => eventually(async () => (await (await fetch(engine.opsUrl('/metrics'))).text()), (text) => new RegExp(`seg_log_partition_refused\\{.*code="${code}"`).test(text), 30_000);
      expect(await refusedAs('topic_missing')).toMatch(/code="topic_missing"/);
      const answer = await fetch(engine.opsUrl('/ready'));
      expect([answer.status, await answer.text()]).toEqual([503, expect.stringMatching(/refused \(topic_missing\)/)]);
      expect(engine.lines.some(({ msg }) => /is not served: a topic of the log .* was deleted/.test(msg))).toBe(true);
      await makeTopic(`${group}.raw_readings`, 6, { 'message.timestamp.type': 'LogAppendTime' });
      expect(await refusedAs('log_changed')).toMatch(/code="log_changed"/);
      expect(engine.lines.some(({ msg }) => /the topic was made anew/.test(msg))).toBe(true);
      expect((await fetch(engine.opsUrl('/ready'))).status).toBe(503);
    } finally {
      await engine.kill9();
    }
  });

  it('is refused on a directory with a log of its own, and the other way round', { timeout: 90_000 }, async () => {
    const own = await EngineProcess.start();
    directories.push(own.dataDir);
    await own.stop();
    expect(await refusal(logSettings(kafka().brokers, name()), own.dataDir)).toMatch(/has a log of its own; start with SEG_LOG=lmdb/);

    const shared = await EngineProcess.start({ settings: logSettings(kafka().brokers, name()) });
    directories.push(shared.dataDir);
    expect(await shared.stop()).toBe(0);
    expect(await refusal({}, shared.dataDir)).toMatch(/belongs to an engine whose log is in Kafka/);
    expect((await seg(['verify'], { env: { SEG_DATA_DIR: shared.dataDir } })).stderr).toMatch(/Kafka's own tools check and back up the topics/);
  });
});
