import type { Reporter, TestCase } from 'vitest/node';

/** Names at the end of a run the tests that failed at first and passed when they were tried again. */
export default class SecondTries implements Reporter {
  private readonly names: string[] = [];

  onTestCaseResult(test: TestCase): void {
    if (test.diagnostic()?.flaky) this.names.push(`  ${test.module.relativeModuleId} > ${test.fullName}\n`);
  }

  onTestRunEnd(): void {
    if (this.names.length > 0) console.warn(`PASSED ONLY AT THE SECOND TRY, AND WANTS A LOOK:\n${this.names.join('')}`);
  }
}
