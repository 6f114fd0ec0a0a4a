import type { UserConsoleLog } from 'vitest';
import type { Reporter } from 'vitest/node';

const MARK = '*** ';
const BETWEEN = ' did not run. ';

/** The line by which a suite says that it was left out. */
export function leftOutLine(name: string, howTo: string): string {
  return `${MARK}${name}${BETWEEN}${howTo}`;
}

/** Says at the end of a run once more which suites were left out and how to run them; what they say themselves scrolls away. */
export default class LeftOutSuites implements Reporter {
  /** Names by what would let them run. */
  private readonly namesOf = new Map<string, Set<string>>();

  onUserConsoleLog({ content }: UserConsoleLog): void {
    for (const line of content.split('\n')) {
      const between = line.indexOf(BETWEEN);
      if (!line.startsWith(MARK) || between < 0) continue;
      const howTo = line.slice(between + BETWEEN.length);
      const names = this.namesOf.get(howTo) ?? new Set();
      this.namesOf.set(howTo, names.add(line.slice(MARK.length, between)));
    }
  }

  onTestRunEnd(): void {
    if (this.namesOf.size === 0) return;
    const groups = [...this.namesOf].map(([howTo, names]) => `${[...names].map((name) => `  ${name}\n`).join('')}    ${howTo}\n`);
    console.warn(`NOT EVERYTHING WAS TESTED. These suites did not run:\n${groups.join('')}`);
  }
}
