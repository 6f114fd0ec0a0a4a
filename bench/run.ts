import { appendFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BENCHES, type Bench } from './bench-list.ts';
import { environmentLine, toMarkdown } from './bench-report.ts';

/** `npm run bench`: runs benchmarks one after the other and prints Markdown. */

const RESULTS_FILE = fileURLToPath(new URL('RESULTS.md', import.meta.url));

const HELP = `npm run bench [-- micro | load | <name> ...] [-- --write] [-- --quick]
Names: ${BENCHES.map(({ name }) => name).join(', ')}. Without one, all run: about half an hour, with nothing else on the machine.
--write appends what is printed to bench/RESULTS.md. --quick shows that they run; its figures mean nothing.
`;

const { values, positionals } = readArguments();
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
    print(`\n${toMarkdown(await bench.run(values.quick ? 'quick' : 'full'))}`);
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
      options: { write: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
    });
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${HELP}`);
    process.exit(2);
  }
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
