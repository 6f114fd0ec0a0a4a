import { beforeEach, describe, expect, test } from 'vitest';
import { ComponentWatch } from '../../src/engine/component-watch.ts';
import type { SinkStatus } from '../../src/http/live-source.ts';
import type { ChildStatus } from '../../src/runtime/supervisor.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';

const child = (name: string, change: Partial<ChildStatus> = {}): ChildStatus => ({ name, state: 'up', epoch: 1, restarts: 0, lastExit: null, ...change });
const sink = (change: Partial<SinkStatus> = {}): SinkStatus => ({ sink: 'timescale', state: 'running', lagMs: 0, setAside: 0, problem: null, ...change });

describe('a look at the engine\'s parts', () => {
  let time: VirtualTime;
  let children: ChildStatus[];
  let sinks: SinkStatus[];
  let withoutRoom: string[];
  let free: number;
  let cluster: { part: string; state: string }[];
  let watch: ComponentWatch;
  const seen = (component: string) => watch.look().find((health) => health.component === component);

  beforeEach(() => {
    time = new VirtualTime(1_000);
    children = [child('shard-0'), child('alerts', { state: 'backing_off' })];
    sinks = [sink()];
    withoutRoom = [];
    free = NaN;
    cluster = [];
    watch = new ComponentWatch({ clock: time, children: () => children, sinks: () => sinks, withoutRoom: () => withoutRoom, diskFreeBytes: () => free, cluster: () => cluster });
  });

  test('names all but the one that would tell of it', () => {
    expect(watch.look()).toEqual(['shard-0', 'timescale', 'disk'].map((component) => ({ component, isWell: true, since: 1_000, problem: '' })));
  });

  test('says since when a part is as it is, whatever becomes of the reason', () => {
    watch.look();
    time.advance(1_000);
    children = [child('shard-0', { state: 'backing_off', lastExit: { kind: 'crashed', error: new Error('boom') } })];
    expect(seen('shard-0')).toEqual({ component: 'shard-0', isWell: false, since: 2_000, problem: 'It is about to be restarted: boom.' });
    time.advance(1_000);
    children = [child('shard-0', { state: 'starting' })];
    expect(seen('shard-0')).toMatchObject({ since: 2_000, problem: 'It is starting.' });
    time.advance(1_000);
    children = [child('shard-0')];
    expect(seen('shard-0')).toEqual({ component: 'shard-0', isWell: true, since: 4_000, problem: '' });
  });

  test('knows sinks that are away, and why', () => {
    sinks = [sink({ state: 'waiting', problem: 'the database does not answer' })];
    expect(seen('timescale')).toMatchObject({ isWell: false, problem: 'The database does not answer.' });
    sinks = [sink({ state: 'connecting' })];
    expect(seen('timescale')).toMatchObject({ isWell: false, problem: 'It is connecting.' });
  });

  test('knows a disk that fills up, and one that is full', () => {
    free = 2 ** 29;
    expect(seen('disk')).toMatchObject({ isWell: false, problem: 'Less than 1024 MiB are free on the disk that holds the data directory.' });
    withoutRoom = ['shard-0', 'shard-1'];
    expect(seen('disk')).toMatchObject({ isWell: false, problem: 'No room is left, and shard-0, shard-1 refuse readings.' });
  });

  test('knows partitions of a shared log that are not served', () => {
    cluster = [{ part: 'partition-7', state: 'refused (corrupt)' }];
    expect(seen('partition-7')).toMatchObject({ isWell: false, problem: 'It is refused (corrupt).' });
    cluster = [];
    expect(seen('partition-7')).toBeUndefined();
  });
});
