import { appendFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BENCHES, type Bench, type LoadChanges } from './bench-list.ts';
import { environmentLine, toMarkdown } from './bench-report.ts';
import { METERS_MAX, METERS_MIN } from './load/reading-source.ts';
import { numberOption } from './number-option.ts';
import { parsedPerSecond, yardstickLine } from './yardstick.ts';

/** `npm run bench`: runs benchmarks one after the other and prints Markdown. */

const RESULTS_FILE = fileURLToPath(new URL('RESULTS.md', import.meta.url));

const HELP = `npm run bench [-- [micro | load | <name> ...] [--write] [--quick] [options of load and resting]]
Names: ${BENCHES.map(({ name }) => name).join(', ')}. Without one, all run: about half an hour, with nothing else on the machine.
--write appends what is printed to bench/RESULTS.md. --quick shows that they run; its figures mean nothing.

Load benchmarks:
  --meters <n>             meters that send; 100000 without it, 1000000 at most
Of resting alone:
  --history-minutes <n>    event time of the history that is sent first, a reading a minute of each meter (120)
  --live-minutes <n>       then readings of the wall clock's time (3), at
  --cadence-seconds <n>    one reading of each meter in so many seconds (30)
  --settle-seconds <n>     without readings before memory is looked at again (65)
  --restarts <n>           of each kind: killed amid live readings, killed after a burst, orderly (5)
A million meters: npm run bench -- resting --meters 1000000
`;

const { values, positionals } = readArguments();
const changes = readChanges();
const chosen = choose(positionals);
if (values.help || chosen === null || (values.write && values.quick)) {
  process.stderr.write(HELP);
  process.exit(values.help ? 0 : 2);
}

print(`\n## ${new Date().toISOString().slice(0, 10)}\n\n${environmentLine()}\n`);
let failures = 0;
for (const bench of chosen) {
  process.stderr.write(`${bench.group}: ${bench.name} ...\n`);
  try {
    const report = await bench.run(values.quick ? 'quick' : 'full', changes);
    print(`\n${toMarkdown(report)}\n${yardstickLine(parsedPerSecond())}\n`);
  } catch (error) {
    // The others are still worth their time.
    failures++;
    print(`\n### ${bench.group}: ${bench.name}\n\nFailed, no result: ${(error as Error).message}\n`);
  }
}
process.exitCode = failures === 0 ? 0 : 1;

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        write: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
        meters: { type: 'string' },
        'history-minutes': { type: 'string' },
        'live-minutes': { type: 'string' },
        'cadence-seconds': { type: 'string' },
        'settle-seconds': { type: 'string' },
        restarts: { type: 'string' },
      },
    });
  } catch (error) {
    wrongUsage(error as Error);
  }
}

function readChanges(): LoadChanges {
  try {
    const resting = {
      historyMs: numberOption('--history-minutes', values['history-minutes'], { min: 1, max: 30 * 1_440, times: 60_000 }),
      liveMs: numberOption('--live-minutes', values['live-minutes'], { min: 0.01, max: 1_440, times: 60_000 }),
      liveCadenceMs: numberOption('--cadence-seconds', values['cadence-seconds'], { min: 0.1, max: 3_600, times: 1_000 }),
      settleMs: numberOption('--settle-seconds', values['settle-seconds'], { min: 0, max: 3_600, times: 1_000 }),
      restarts: numberOption('--restarts', values.restarts, { min: 1, max: 100, whole: true }),
    };
    const given = Object.fromEntries(Object.entries(resting).filter(([, value]) => value !== undefined));
    return { meters: numberOption('--meters', values.meters, { min: METERS_MIN, max: METERS_MAX, whole: true }), resting: given };
  } catch (error) {
    wrongUsage(error as Error);
  }
}

function wrongUsage(error: Error): never {
  process.stderr.write(`${error.message}\n${HELP}`);
  process.exit(2);
}

/** Null when a word names nothing. */
function choose(words: readonly string[]): readonly Bench[] | null {
  const chosen = BENCHES.filter(({ group, name }) => words.length === 0 || words.includes(group) || words.includes(name));
  const known = words.every((word) => BENCHES.some(({ group, name }) => word === group || word === name));
  return known ? chosen : null;
}

function print(markdown: string): void {
  process.stdout.write(markdown);
  if (values.write) appendFileSync(RESULTS_FILE, markdown);
}
