import { describe, expect, it } from 'vitest';
import { PictureHistory } from '../../src/actors/shard/picture-history.ts';

const regions = (poweredShare: number) => [{ region: 'r0', poweredShare, reporting: 3 }];

describe('the pictures of a log', () => {
  it('give the one that is in force where a log begins, whatever was trimmed before', () => {
    const history = new PictureHistory();
    expect(history.inForceAt(5)).toBeNull();
    [3, 7, 9].forEach((sequence) => history.applied({ sequence, nowMs: sequence * 5_000, regions: regions(sequence / 10) }));
    expect([3, 4, 7, 8, 20].map((sequence) => history.inForceAt(sequence)?.sequence ?? null)).toEqual([null, 3, 3, 7, 9]);
    history.trimmed(8);
    expect([8, 9, 10].map((sequence) => history.inForceAt(sequence)?.sequence)).toEqual([7, 7, 9]);
    history.trimmed(3);
    expect(history.inForceAt(8)).toEqual({ sequence: 7, nowMs: 35_000, regions: regions(0.7) });
  });
});
