import type { ServedOperation } from '../../src/http/gateway-routes.ts';
import { openPath } from '../../src/http/openapi/openapi-document.ts';
import { TAGS, type Access } from '../../src/http/operation.ts';

/** The tables of docs/API.md, made of the operations as they are served. */

const REACH = {
  none: 'all there are',
  everything: 'who reaches all regions',
  meter: 'the meter, while it is theirs',
  'meter-times': 'the meter, in the time in which it is theirs',
  region: 'the region',
  'named-meter': 'the meter that `meterId` names; all, who reaches all regions',
  'named-place': 'the meter that `meterId` names or the region that `region` names; a consumer names a meter; all, who reaches all regions',
  rows: 'rows that are theirs; a consumer names `meterId`',
} as const;

export function apiTables(operations: readonly ServedOperation[]): string {
  const tables = Object.entries(TAGS).map(([tag, words]) => {
    const rows = operations.filter(({ route }) => route.operation.tag === tag).map(row);
    return rows.length === 0 ? '' : `### ${tag}\n\n${words}\n\n| request | what | who | of what |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`;
  });
  return tables.filter((table) => table !== '').join('\n');
}

function row({ method, path, route: { operation } }: ServedOperation): string {
  return `| \`${method} ${openPath(path)}\` | ${operation.summary} | ${who(operation.access)} | ${ofWhat(operation.access)} |`;
}

function who(access: Access): string {
  if (typeof access === 'string') return access === 'public' ? 'everybody' : 'who is logged in';
  return access.roles.join(', ');
}

function ofWhat(access: Access): string {
  if (access === 'public') return '';
  if (access === 'signed-in') return 'themselves';
  return typeof access.scope === 'string' ? REACH[access.scope] : access.scope.words.replace(/^of /, '');
}
