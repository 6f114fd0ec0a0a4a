import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededChance } from '../../src/cli/prove/seeded-chance.ts';
import { ClusterProof } from '../support/cluster-proof.ts';

/** `npm run prove-cluster`: breaks a cluster of engines under load, round after round, and counts what was lost or counted twice: nothing. */

const USAGE = `usage: npm run prove-cluster -- [--rounds 20] [--seed 1] [--nodes 3] [--partitions 6] [--faults kill9,new-machine,stop,cut,freeze,broker]
`;

/** Longer than the group waits for a node, so that others take over while it still thinks that it owns something. */
const FROZEN_MS = { min: 11_000, max: 20_000 };
/** A broker that comes back at once, or lets senders wait. */
const BROKER_AWAY_MS = { min: 0, max: 5_000 };

/** Each breaks something under load, and leaves all nodes up. */
const FAULTS: Readonly<Record<string, (proof: ClusterProof, place: number, chance: SeededChance) => Promise<void>>> = {
  async kill9(proof, place) {
    await proof.kill9(place);
    await proof.settled();
    await proof.startNode(place);
  },
  async 'new-machine'(proof, place) {
    await proof.kill9(place);
    proof.emptyPlace(place);
    await proof.startNode(place);
  },
  async stop(proof, place) {
    await proof.stopNode(place);
    await proof.settled();
    await proof.startNode(place);
  },
  async cut(proof, place) {
    proof.cut(place);
    await proof.settled();
    proof.mend(place);
  },
  /** As of a machine that swaps, or a debugger: it goes on in the middle of what it was doing. */
  async freeze(proof, place, chance) {
    const { pid } = proof.engineAt(place);
    process.kill(pid, 'SIGSTOP');
    try {
      await sleep(chance.whole(FROZEN_MS.min, FROZEN_MS.max));
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  },
  async broker(proof, _place, chance) {
    await proof.kafka.kill9();
    await sleep(chance.whole(BROKER_AWAY_MS.min, BROKER_AWAY_MS.max));
    await proof.kafka.start();
  },
};

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '20' }, seed: { type: 'string', default: '1' }, nodes: { type: 'string', default: '3' }, partitions: { type: 'string', default: '6' }, faults: { type: 'string', default: Object.keys(FAULTS).join(',') }, help: { type: 'boolean', default: false } },
  });
  const [rounds, seed, nodes, partitions] = [values.rounds, values.seed, values.nodes, values.partitions].map(Number);
  const faults = values.faults.split(',');
  const isSound = [rounds, seed, nodes, partitions].every((number) => Number.isSafeInteger(number) && number > 0) && nodes > 1 && faults.every((fault) => fault in FAULTS);
  if (values.help || !isSound) {
    process.stdout.write(USAGE);
    return values.help ? 0 : 2;
  }
  const chance = new SeededChance(seed, 50);
  const proof = await ClusterProof.start({ places: nodes, partitions, meters: 48, seed });
  let isRight = true;
  try {
    await Promise.all(Array.from({ length: nodes }, (_, place) => proof.startNode(place)));
    await proof.settled();
    for (let round = 1; round <= rounds && isRight; round++) {
      const fault = chance.oneOf(faults);
      const place = chance.oneOf(proof.placesInUse);
      const startedMs = performance.now();
      await proof.underLoad(async () => {
        await FAULTS[fault](proof, place, chance);
        await proof.settled();
      });
      const asked = chance.oneOf(proof.placesInUse);
      const findings = await proof.check(asked);
      const regional = await proof.regionalDifference(asked, chance.oneOf(proof.placesInUse));
      isRight = findings.isClean && regional === null;
      const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0);
      process.stdout.write(
        `round ${round}: ${fault} of node ${place}, ${seconds} s; ${proof.load.totals.acknowledged} acknowledged so far, ${findings.compared} windows compared; ` +
          `lost ${findings.lost}, twice ${findings.duplicated}, wrong ${findings.wrong}, regions ${regional ?? 'right'}; nobody served for at most ${Math.round(proof.takeUnavailableMs())} ms\n`,
      );
      for (const example of findings.examples) process.stdout.write(`  ${example}\n`);
    }
  } finally {
    await proof.dispose();
  }
  process.stdout.write(isRight ? 'PASS\n' : `FAIL (seed ${seed})\n`);
  return isRight ? 0 : 1;
}

process.exitCode = await main();
