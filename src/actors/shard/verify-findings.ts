export interface Finding {
  /** What was looked at, like "page 3 of partition 17". */
  where: string;
  problem: string;
}

/** A damaged disk gives as many findings as it has rows; the first ones tell the story. */
const FINDINGS_KEPT_MAX = 50;

/** What is found, as it is found. */
export class Findings {
  readonly kept: Finding[] = [];
  count = 0;

  add(where: string, problem: string): void {
    this.count++;
    if (this.kept.length < FINDINGS_KEPT_MAX) this.kept.push({ where, problem });
  }

  /** Runs a look; what it throws is a finding. */
  try(where: string, look: () => void): void {
    try {
      look();
    } catch (error) {
      const { message } = error as Error;
      this.add(where, message.startsWith(`${where} `) ? message.slice(where.length + 1) : message);
    }
  }
}
