import { plainLine } from '../actors/notifications/templates/plain-line.ts';

/** Rows for a terminal, their columns as wide as they have to be. */

export interface TextColumn {
  title: string;
  align?: 'right';
}

/** Cells are made plain: nothing in them moves the cursor or begins a line. Every line ends. */
export function textTable(columns: readonly TextColumn[], rows: readonly (readonly string[])[]): string {
  const all = [columns.map(({ title }) => title), ...rows.map((row) => row.map(plainLine))];
  const widths = columns.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  const pad = (cell: string, column: number) => (columns[column].align === 'right' ? cell.padStart(widths[column]) : cell.padEnd(widths[column]));
  return all.map((row) => `${row.map(pad).join('  ').trimEnd()}\n`).join('');
}
