import { describe, expect, it } from 'vitest';
import { Packr } from 'msgpackr';
import type { ShardAnswers, ShardQuery } from '../../src/actors/shard/protocol.ts';
import { EngineQueries, type EngineQueriesModules } from '../../src/engine/engine-queries.ts';
import { asMeterId } from '../../src/model/ids.ts';
import type { WindowQuery } from '../../src/model/queries.ts';
import { packWindows, unpackWindows } from '../../src/model/window-block.ts';
import type { MeterWindow } from '../../src/model/window.ts';
import { meterWindow } from '../support/meter-windows.ts';

/** What the gateway gets of windows that lie with a shard, with another node, and in the database. */

const MINUTE_MS = 60_000;
const METER = asMeterId('meter-1')!;
const QUERY: WindowQuery = { granularity: '1m', from: 0, to: 10 * MINUTE_MS, limit: 100, cursor: null };

const minute = (number: number, revision = 0): MeterWindow => meterWindow({ windowStart: number * MINUTE_MS, revision });

/** Over a shard that keeps windows from minute 5 on and has 4 to 6, and a database that has those of `older`. */
function queriesOver(block: (windows: MeterWindow[]) => Uint8Array<ArrayBuffer>, older: MeterWindow[] | null): { queries: EngineQueries; asked: WindowQuery[] } {
  const asked: WindowQuery[] = [];
  const shard = [4, 5, 6].map((number) => minute(number, 1));
  const answers: Partial<{ [K in ShardQuery['kind']]: ShardAnswers[K] }> = {
    meterWindows: { data: shard, nextCursor: null, keptFrom: 5 * MINUTE_MS },
    meterWindowBlock: { windows: block(shard), nextCursor: null, keptFrom: 5 * MINUTE_MS },
  };
  const modules = {
    ask: async (_shard: number, { kind }: ShardQuery) => answers[kind],
    history: older === null ? null : { meterWindows: async (_meterId: string, query: WindowQuery) => (asked.push(query), { data: older, nextCursor: null }) },
  } as unknown as EngineQueriesModules;
  return { queries: new EngineQueries({ partitionCount: 64, shardCount: 1, latenessMs: 0, capacities: {} as never, deadlineMs: 1_000 }, modules), asked };
}

/** As it comes out of a message of another node: somewhere in a larger buffer. */
function fromAnotherNode(windows: MeterWindow[]): Uint8Array<ArrayBuffer> {
  const packr = new Packr({ useRecords: false });
  for (const padding of ['', 'x', 'xx', 'xxx']) {
    const { block } = packr.unpack(packr.pack({ padding, block: new Uint8Array(packWindows(windows)) })) as { block: Uint8Array<ArrayBuffer> };
    if (block.byteOffset % 8 !== 0) return block;
  }
  throw new Error('MessagePack gave it a place of its own');
}

const ofThisNode = (windows: MeterWindow[]): Uint8Array<ArrayBuffer> => new Uint8Array(packWindows(windows));

describe('packed windows of a meter', () => {
  it.each([['this node', ofThisNode], ['another node', fromAnotherNode]])('are those of its shard, where that is on %s', async (_, block) => {
    const { queries } = queriesOver(block, null);
    const { windows, nextCursor } = (await queries.packedMeterWindows(METER, QUERY))!;
    expect({ data: unpackWindows(windows), nextCursor }).toEqual({ data: [4, 5, 6].map((number) => minute(number, 1)), nextCursor: null });
  });

  it.each([['this node', ofThisNode], ['another node', fromAnotherNode]])('go on with the database where the shard gave windows up, as those that are not packed do (%s)', async (_, block) => {
    const { queries, asked } = queriesOver(block, [2, 3, 4].map((number) => minute(number)));
    for (const limit of [1, 2, 3, 4, 5, 100]) {
      const { windows, nextCursor } = (await queries.packedMeterWindows(METER, { ...QUERY, limit }))!;
      expect({ data: unpackWindows(windows), nextCursor }).toEqual(await queries.meterWindows(METER, { ...QUERY, limit }));
    }
    expect(unpackWindows((await queries.packedMeterWindows(METER, QUERY))!.windows)).toEqual([minute(2), minute(3), minute(4, 1), minute(5, 1), minute(6, 1)]);
    expect(asked.every(({ from, to }) => from === 0 && to === 5 * MINUTE_MS)).toBe(true);
  });

  it('are not asked of the database where the shard has all', async () => {
    const { queries, asked } = queriesOver(ofThisNode, []);
    await queries.packedMeterWindows(METER, { ...QUERY, from: 5 * MINUTE_MS });
    await queries.packedMeterWindows(METER, { ...QUERY, cursor: '5' });
    expect(asked).toEqual([]);
  });

  it('take no cursor that was not given', async () => {
    const { queries } = queriesOver(ofThisNode, null);
    await expect(queries.packedMeterWindows(METER, { ...QUERY, cursor: 'no' })).rejects.toMatchObject({ code: 'invalid_cursor' });
  });
});
