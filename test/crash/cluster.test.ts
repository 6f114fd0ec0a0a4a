import { afterAll, beforeAll, expect, it } from 'vitest';
import { kafkaAvailable, KAFKA_HOW_TO } from '../services/kafka.ts';
import { ClusterProof } from '../support/cluster-proof.ts';
import { eventually } from '../support/engine-process.ts';
import { suite } from '../support/required-suites.ts';

/**
 * Three engines, one broker, one log: what was acknowledged is neither lost nor counted twice while nodes come, die and are cut off. Each case goes on where the one before
 * ended. `npm run prove-cluster` does the same for as long as one likes.
 */
suite('three engines that share a log (Kafka)', kafkaAvailable(), KAFKA_HOW_TO, () => {
  const METERS = 48;
  let proof: ClusterProof;

  beforeAll(async () => {
    proof = await ClusterProof.start({ places: 3, partitions: 6, meters: METERS, seed: 20_261_126 });
    await Promise.all([proof.startNode(0), proof.startNode(1)]);
    await proof.settled();
  }, 120_000);

  afterAll(() => proof?.dispose());

  /** The windows that one node shows are what was acknowledged, and the regions that another shows are their sums. */
  async function expectRight(place: number, other: number): Promise<void> {
    const findings = await proof.check(place);
    expect(findings.examples).toEqual([]);
    expect({ lost: findings.lost, duplicated: findings.duplicated, wrong: findings.wrong }).toEqual({ lost: 0, duplicated: 0, wrong: 0 });
    expect(findings.compared).toBeGreaterThan(METERS);
    expect(await proof.regionalDifference(place, other)).toBeNull();
    expect(await eventually(() => proof.metersSeenAt(other), (meters) => meters === METERS, 10_000)).toBe(METERS);
  }

  it('make room for one that is added under load', { timeout: 120_000 }, async () => {
    await proof.underLoad(async () => {
      await proof.startNode(2);
      await proof.settled();
      // Some meters send every ten seconds only, and are awaited below.
      await eventually(() => proof.metersSeenAt(0), (meters) => meters === METERS, 30_000);
    });
    for (const place of [0, 1, 2]) expect((await proof.partitionsOf(place)).length).toBe(2);
    await expectRight(2, 0);
  });

  it('take over from one that is killed under load, and it joins them again', { timeout: 120_000 }, async () => {
    await proof.underLoad(async () => {
      await proof.kill9(0);
      await proof.settled();
    });
    for (const place of [1, 2]) expect((await proof.partitionsOf(place)).length).toBe(3);
    await expectRight(1, 2);
    await proof.underLoad(async () => {
      await proof.startNode(0);
      await proof.settled();
    });
    await expectRight(0, 1);
  });

  it('take over from one that is cut off from the broker, which answers for nothing and does no harm', { timeout: 150_000 }, async () => {
    const before = await proof.partitionsOf(1);
    await proof.underLoad(async () => {
      proof.cut(1);
      await proof.settled();
      const zombie = proof.engineAt(1);
      expect((await fetch(zombie.opsUrl('/ready'))).status).toBe(503);
      expect((await fetch(zombie.apiUrl('/api/v1/meters'))).status).toBe(503);
      expect((await proof.clusterAt(1)).inTouch).toBe(false);
    });
    expect(before.length).toBeGreaterThan(0);
    await expectRight(2, 0);
    await proof.underLoad(async () => {
      proof.mend(1);
      await proof.settled();
    });
    await expectRight(1, 2);
  });
});
