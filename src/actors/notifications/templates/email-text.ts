import type { ContentAlert, ContentSection, MessageContent } from './message-content.ts';

/** The plain part of an e-mail: all that the HTML says, in lines. */
export function emailText(content: MessageContent): string {
  const { headline, note, sections, more, curve, footer, unsubscribe } = content;
  const blocks = [
    `${headline.badge}: ${headline.text}`,
    ...(note === null ? [] : [note]),
    ...sections.flatMap((section, i) => [...sectionBlocks(section), ...(i === 0 && curve !== null ? [`${curve.title}\n${curve.facts.join('; ')}`] : [])]),
    ...(more === null ? [] : [more]),
    `-- \n${[...footer, ...(unsubscribe === null ? [] : [`${unsubscribe.text}: ${unsubscribe.link}`])].join('\n')}`,
  ];
  return `${blocks.join('\n\n')}\n`;
}

function sectionBlocks({ headline, alerts, more }: ContentSection): string[] {
  return [...(headline === null ? [] : [`== ${headline.badge}: ${headline.text}`]), ...alerts.map(alertBlock), ...(more === null ? [] : [more])];
}

function alertBlock({ title, description, badge, rows, link }: ContentAlert): string {
  const width = Math.max(...rows.map(({ label }) => label.length)) + 1;
  return [...(title === null ? [] : [`[${badge}] ${title}`]), ...(description === '' ? [] : [description]), ...rows.map(({ label, value }) => `  ${`${label}:`.padEnd(width)} ${value}`), ...(link === null ? [] : [`  ${link.text}: ${link.url}`])].join('\n');
}
