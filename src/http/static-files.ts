import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OperationalError } from '../runtime/errors.ts';
import type { HeaderFields } from './exchange.ts';
import type { HttpFront } from './http-front.ts';
import { withModulePreloads } from './module-preloads.ts';

/**
 * The dashboard's files, read into memory once. Each is a route of its own, so a request can name nothing else: there is no path to
 * traverse at run time.
 */

/** Bytes of all files together: the page with its libraries is well under 1 MiB, so more is a wrong directory. */
const STATIC_BYTES_MAX = 16 * 1024 * 1024;
const STATIC_FILES_MAX = 200;

/** Files of any other type are sources or settings of the page's tools, and are not served. */
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
};

/** Libraries of the page: path below /vendor/ → file of a package in node_modules. */
export const VENDOR_FILES: Readonly<Record<string, string>> = {
  'preact.js': 'preact/dist/preact.mjs',
  'preact-hooks.js': 'preact/hooks/dist/hooks.mjs',
  'htm.js': 'htm/dist/htm.module.js',
  'uplot.js': 'uplot/dist/uPlot.esm.js',
  'uplot.css': 'uplot/dist/uPlot.min.css',
};

/** What modules import by name, and where it is served. Browsers resolve names by an import map alone, and that would be a script in the page. */
const MODULE_ADDRESSES: Readonly<Record<string, string>> = {
  htm: '/vendor/htm.js',
  preact: '/vendor/preact.js',
  'preact/hooks': '/vendor/preact-hooks.js',
  uplot: '/vendor/uplot.js',
};

/** web/ at the root of the project. */
export const WEB_DIR = fileURLToPath(new URL('../../web', import.meta.url));

export interface StaticFile {
  /** Where it is served: `/style.css`. */
  path: string;
  contentType: string;
  body: Uint8Array;
  /** Quoted, of the content. */
  etag: string;
  headers: HeaderFields;
}

/**
 * Reads the files under `webDir` that a browser knows (dotfiles and symbolic links left out) and the vendor files. Throws
 * OperationalError `static_files` when the directory or a package is missing, a name is odd or there is too much.
 */
export function loadStaticFiles(webDir: string = WEB_DIR, vendorFiles: Readonly<Record<string, string>> = VENDOR_FILES): StaticFile[] {
  const contents = new Map<string, Uint8Array>();
  let bytes = 0;
  const add = (path: string, from: string): void => {
    const content = readOrThrow(from);
    const served = path.endsWith('.js') ? withAddresses(content) : content;
    bytes += served.byteLength;
    contents.set(path, served);
    if (contents.size > STATIC_FILES_MAX || bytes > STATIC_BYTES_MAX) {
      const bounds = `${STATIC_FILES_MAX} files and ${STATIC_BYTES_MAX} bytes`;
      throw new OperationalError('static_files', `${webDir} holds more than a dashboard: at most ${bounds} are served`);
    }
  };
  for (const from of filesUnder(webDir)) add(`/${relative(webDir, from).split(sep).join('/')}`, from);
  for (const [name, file] of Object.entries(vendorFiles)) add(`/vendor/${name}`, packageFile(file));
  const modules = new Map([...contents].filter(([path]) => path.endsWith('.js')).map(([path, content]) => [path, Buffer.from(content).toString('utf8')]));
  return [...contents].map(([path, content]) => staticFile(path, path.endsWith('.html') ? Buffer.from(withModulePreloads(Buffer.from(content).toString('utf8'), modules)) : content));
}

/** Routes for all files; `/index.html` is `/` too. */
export function addStaticRoutes(front: HttpFront, files: readonly StaticFile[]): void {
  for (const file of files) {
    const paths = file.path === '/index.html' ? ['/', file.path] : [file.path];
    for (const path of paths) {
      front.route(path, {
        GET(exchange, head) {
          if (matchesEtag(head.getHeader('if-none-match'), file.etag)) exchange.empty(304, file.headers);
          else exchange.reply(200, file.contentType, file.body, file.headers);
        },
      });
    }
  }
}

function staticFile(path: string, body: Uint8Array): StaticFile {
  const contentType = CONTENT_TYPES[extname(path)];
  // Other characters would be escaped by browsers, or mean something to the router.
  if (!/^[A-Za-z0-9._/-]+$/.test(path)) {
    throw new OperationalError('static_files', `cannot serve ${path}: rename it to A–Z a–z 0–9 . _ - alone`);
  }
  const etag = `"${sha256(body)}"`;
  return {
    path,
    contentType,
    body,
    etag,
    headers: [
      ['etag', etag],
      // Asked for each time, answered with 304 mostly: a new version of the engine shows at once.
      ['cache-control', 'no-cache'],
      ['content-security-policy', CONTENT_SECURITY_POLICY],
      ['x-content-type-options', 'nosniff'],
      ['referrer-policy', 'no-referrer'],
      ['cross-origin-opener-policy', 'same-origin'],
      ['cross-origin-resource-policy', 'same-origin'],
    ],
  };
}

/** Everything from this origin, and no script that stands in a page. */
const CONTENT_SECURITY_POLICY = ["default-src 'self'", "script-src 'self'", "img-src 'self' data:", "object-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"].join('; ');

/** The module with addresses in the place of names. */
function withAddresses(content: Uint8Array): Uint8Array {
  const text = Buffer.from(content).toString('utf8');
  return Buffer.from(text.replace(/\bfrom\s*(['"])([a-z/]+)\1/g, (whole, quote: string, name: string) => (Object.hasOwn(MODULE_ADDRESSES, name) ? `from ${quote}${MODULE_ADDRESSES[name]}${quote}` : whole)));
}

function sha256(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('base64');
}

/** RFC 9110: a list of tags or `*`, compared weakly. */
export function matchesEtag(header: string, etag: string): boolean {
  if (header === '') return false;
  const strong = etag.replace(/^W\//, '');
  return header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === strong) || header.trim() === '*';
}

function filesUnder(dir: string): string[] {
  try {
    return readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && extname(entry.name) in CONTENT_TYPES)
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => !relative(dir, path).split(sep).some((part) => part.startsWith('.')))
      .sort();
  } catch (error) {
    throw new OperationalError('static_files', `cannot read the dashboard's directory ${dir}: ${(error as Error).message}`, { cause: error });
  }
}

export function readOrThrow(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new OperationalError('static_files', `cannot read ${path}: ${(error as Error).message}; run \`npm ci\``, { cause: error });
  }
}

/** A package's file by its path, past its `exports`, which name modules and not style sheets. */
export function packageFile(path: string): string {
  const name = path.split('/')[0];
  const lookedIn = createRequire(import.meta.url).resolve.paths(name) ?? [];
  const modules = lookedIn.find((dir) => existsSync(join(dir, name)));
  if (modules !== undefined) return join(modules, path);
  throw new OperationalError('static_files', `the package ${name} is not installed (looked in ${lookedIn[0]} and above); run \`npm ci\``);
}
