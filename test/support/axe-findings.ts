import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

/** What axe-core finds on a page, one text for each element: its rule, what is wrong and where. The rules are those of WCAG 2.2 AA and its own best practices. */

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Finding {
  id: string;
  help: string;
  nodes: { target: unknown[]; failureSummary: string; any: { data?: { messageKey?: string } | null }[] }[];
}

/** Why axe does not judge a text whose colour is that of what it lies on: somebody may have hidden it. Here nobody has. */
const INVISIBLE = 'equalRatio';

export async function axeFindings(page: Page): Promise<string[]> {
  // As a debugger would: the page's own policy lets no script in.
  if (await page.evaluate('typeof axe === "undefined"')) await page.evaluate(AXE);
  const { violations, incomplete } = (await page.evaluate('axe.run(document, { resultTypes: ["violations", "incomplete"] })')) as { violations: Finding[]; incomplete: Finding[] };
  const unseen = incomplete.map((finding) => ({ ...finding, nodes: finding.nodes.filter(({ any }) => any.some(({ data }) => data?.messageKey === INVISIBLE)) }));
  return [...violations, ...unseen].flatMap(({ id, help, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${help} at ${JSON.stringify(target)} ${failureSummary}`));
}
