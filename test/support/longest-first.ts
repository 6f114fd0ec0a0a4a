import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The files that take longest, half a minute and more on two cores. Begun late, one of them would run on alone when all others are done. */
const LONG_FILES = [
  'crash/prove', 'integration/engine-sinks', 'browser/pages', 'integration/kafka-outage', 'unit/bench-smoke', 'crash/kill9', 'browser/dashboard', 'browser/demo', 'integration/kafka-log-nodes',
  'property/lmdb-pages', 'crash/redistribution', 'sim/billing', 'browser/sign-in', 'integration/services', 'integration/seg-commands',
];

/** The long files first, in the order of the list; the others by size. A clean checkout has no memory of earlier runs to go by. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.sort((a, b) => orderOf(a) - orderOf(b) || placeOf(a) - placeOf(b));
  }
}

function orderOf({ project }: TestSpecification): number {
  return project.config.sequence.groupOrder;
}

function placeOf({ moduleId }: TestSpecification): number {
  const at = LONG_FILES.findIndex((file) => moduleId.endsWith(`/test/${file}.test.ts`));
  return at < 0 ? LONG_FILES.length : at;
}
