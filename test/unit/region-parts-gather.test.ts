import { expect, it } from 'vitest';
import type { RegionPart } from '../../src/actors/shard/protocol.ts';
import { RegionPartsGather } from '../../src/actors/sinks/region-parts-gather.ts';
import type { RegionWindowKey } from '../../src/actors/sinks/protocol.ts';
import { OperationalError } from '../../src/runtime/errors.ts';

const key = (region: string): RegionWindowKey => ({ region, granularity: '1m', windowStart: 60_000 });
const part = (region: string, meters: number): RegionPart => ({ ...key(region), meters, powerHigh: 0, powerLow: 0, energyHigh: 0, energyLow: 0, minPowerKw: 0, maxPowerKw: 0, changes: meters });

function gathering() {
  const asked: { regions: string[]; ok(parts: RegionPart[]): void; fail(error: unknown): void }[] = [];
  const gather = new RegionPartsGather((keys) => new Promise((ok, fail) => asked.push({ regions: keys.map(({ region }) => region), ok, fail })));
  return { gather, asked, turn: () => new Promise((resolve) => setImmediate(resolve)) };
}

it('what several ask at once is one question, and each gets its own windows, of all partitions', async () => {
  const { gather, asked, turn } = gathering();
  const answers = [gather.parts([key('a'), key('b')]), gather.parts([key('b'), key('c')])];
  await turn();
  expect(asked.map(({ regions }) => regions)).toEqual([['a', 'b', 'c']]);
  asked[0].ok([part('a', 1), part('b', 2), part('c', 3), part('b', 4)]);
  expect((await Promise.all(answers)).map((parts) => parts.map(({ region, meters }) => `${region}${meters}`))).toEqual([['a1', 'b2', 'b4'], ['b2', 'b4', 'c3']]);
});

it('what is asked while an answer is waited for is asked after it: an answer is never older than its question', async () => {
  const { gather, asked, turn } = gathering();
  const first = gather.parts([key('a')]);
  await turn();
  const later = [gather.parts([key('a')]), gather.parts([key('b')])];
  await turn();
  expect(asked).toHaveLength(1);
  asked[0].fail(new OperationalError('unavailable', 'moving', { retryable: true }));
  await expect(first).rejects.toMatchObject({ code: 'unavailable' });
  await turn();
  expect(asked[1].regions).toEqual(['a', 'b']);
  asked[1].ok([part('a', 7)]);
  expect(await Promise.all(later)).toEqual([[part('a', 7)], []]);
  const last = gather.parts([key('c')]);
  await turn();
  asked[2].ok([]);
  expect(await last).toEqual([]);
});

it('a question has a bound', async () => {
  const { gather, asked, turn } = gathering();
  const some = (n: number) => Array.from({ length: 600 }, (_, i) => key(`r${n}-${i}`));
  for (let n = 0; n < 3; n++) gather.parts(some(n)).catch(() => {});
  await turn();
  expect(asked[0].regions).toHaveLength(1_200);
  asked[0].ok([]);
  await turn();
  expect(asked[1].regions).toHaveLength(600);
});
