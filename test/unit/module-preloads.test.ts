import { describe, expect, test } from 'vitest';
import { withModulePreloads } from '../../src/http/module-preloads.ts';
import { loadStaticFiles } from '../../src/http/static-files.ts';

const page = (src = '/app.js') => `<head>\n    <script type="module" src="${src}"></script>\n  </head>`;
const preloadsOf = (html: string) => [...html.matchAll(/<link rel="modulepreload" href="([^"]+)" \/>/g)].map(([, href]) => href);

describe('a page', () => {
  test('names all modules that its own needs, in the order in which they would be heard of, before it', () => {
    const modules = new Map([
      ['/app.js', "import { html } from './ui.js';\nimport './parts/list.js';\nexport { x } from \"./parts/row.js\";\n"],
      ['/ui.js', "import{h}from'/vendor/preact.js';export{h}"],
      ['/parts/list.js', "import { Row } from './row.js';\nimport { app } from '../app.js';"],
      ['/parts/row.js', "/** @type {import('../types.js').Row} */ export const x = 1;\nimport './gone.js';"],
      ['/vendor/preact.js', ''],
      ['/types.js', ''],
      ['/other.js', ''],
    ]);
    const html = withModulePreloads(page(), modules);
    expect(preloadsOf(html)).toEqual(['/ui.js', '/parts/list.js', '/parts/row.js', '/vendor/preact.js']);
    expect(html.indexOf('modulepreload')).toBeLessThan(html.indexOf('<script'));
    expect(html).toContain('<script type="module" src="/app.js"></script>\n  </head>');
  });

  test('without modules stays as it is', () => {
    expect(withModulePreloads('<p>$&</p>', new Map())).toBe('<p>$&</p>');
    expect(withModulePreloads(page('/none.js'), new Map())).toBe(page('/none.js'));
  });

  test('of the dashboard names everything that is served as JavaScript, but for types and what it has in scripts of its own', () => {
    const files = loadStaticFiles();
    const html = Buffer.from(files.find(({ path }) => path === '/index.html')!.body).toString('utf8');
    const served = files.map(({ path }) => path).filter((path) => path.endsWith('.js') && !path.endsWith('-types.js'));
    expect(preloadsOf(html).toSorted()).toEqual(served.filter((path) => path !== '/app.js' && path !== '/theme.js').toSorted());
  });
});
