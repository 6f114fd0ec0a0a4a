import { createHash } from 'node:crypto';
import type { HeaderFields } from './exchange.ts';
import type { HttpFront } from './http-front.ts';
import { matchesEtag, packageFile, readOrThrow } from './static-files.ts';

/** /docs: the API's document to browse and to try, by Swagger UI from its package; nothing comes from elsewhere. Files are read when somebody asks for them first, as most engines never show it. */

const HTML = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>API · Smart Energy Grid</title>
    <link rel="icon" href="data:," />
    <link rel="stylesheet" href="/docs/swagger-ui.css" />
  </head>
  <body>
    <div id="docs"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`;

/** Without its validator, which is somebody else's server. */
const START = `SwaggerUIBundle({
  url: '/api/v1/openapi.json',
  dom_id: '#docs',
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  filter: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
`;

const FILES = [
  { path: '/docs', type: 'text/html; charset=utf-8', read: () => Buffer.from(HTML) },
  { path: '/docs/start.js', type: 'text/javascript; charset=utf-8', read: () => Buffer.from(START) },
  { path: '/docs/swagger-ui-bundle.js', type: 'text/javascript; charset=utf-8', read: () => readOrThrow(packageFile('swagger-ui-dist/swagger-ui-bundle.js')) },
  { path: '/docs/swagger-ui.css', type: 'text/css; charset=utf-8', read: () => readOrThrow(packageFile('swagger-ui-dist/swagger-ui.css')) },
] as const;

/** Icons of its style sheet are data URLs; requests go to this engine alone. */
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export function addDocsRoutes(front: HttpFront): void {
  for (const { path, type, read } of FILES) {
    let file: { body: Uint8Array; etag: string; headers: HeaderFields } | null = null;
    front.route(path, {
      GET(exchange, head) {
        file ??= loaded(read());
        if (matchesEtag(head.getHeader('if-none-match'), file.etag)) exchange.empty(304, file.headers);
        else exchange.reply(200, type, file.body, file.headers);
      },
    });
  }
}

function loaded(body: Uint8Array): { body: Uint8Array; etag: string; headers: HeaderFields } {
  const etag = `"${createHash('sha256').update(body).digest('base64')}"`;
  return { body, etag, headers: [['etag', etag], ['cache-control', 'no-cache'], ['content-security-policy', POLICY], ['x-content-type-options', 'nosniff'], ['referrer-policy', 'no-referrer'], ['cross-origin-opener-policy', 'same-origin'], ['cross-origin-resource-policy', 'same-origin']] };
}
