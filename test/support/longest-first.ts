import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The files that take longest, twenty seconds and more on two cores, in that order. Begun late, one of them would run on alone when all others are done. */
const LONG_FILES = [
  'unit/bench-smoke', 'integration/kafka-outage', 'integration/engine-sinks', 'browser/pages', 'crash/prove', 'crash/cluster', 'browser/dashboard', 'browser/demo', 'integration/kafka-log-nodes',
  'sim/billing', 'browser/injection', 'crash/kill9', 'crash/redistribution', 'integration/prometheus', 'security/api-fuzz', 'integration/kafka-writer', 'crash/backup', 'integration/engine-traces',
  'integration/engine-alerts', 'integration/engine-sinks-bills', 'sim/alerts', 'integration/kafka-log-start', 'crash/format-versions', 'security/injection-fields', 'integration/registry-engine',
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
