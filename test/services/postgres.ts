import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { accessSync, chownSync, constants, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { RestartableServer } from './restartable-server.ts';
import { removeServiceDirectory, runTool, serviceDirectory, servicePort, type SystemUser } from './service-process.ts';

/** A PostgreSQL server of its own for a test: new data directory, free port of 127.0.0.1, password made for it, gone afterwards. */

export const POSTGRES_HOW_TO =
  'Install it with `apt-get install postgresql` (macOS: `brew install postgresql`), or name a server with SEG_TEST_POSTGRES_URL=postgres://user:password@host:port/database.';

const DEBIAN_VERSIONS = '/usr/lib/postgresql';
/** PostgreSQL refuses to run as root; Debian's package makes this user for it. */
const UNPRIVILEGED_USER = 'postgres';
const ADMIN = 'seg';
/** Line of postmaster.pid, from 0, that holds key and id of the server's segment of shared memory. */
const SHARED_MEMORY_LINE = 6;
/** Enough for every suite; the default of 100 costs memory at each start. */
const CONNECTIONS_MAX = 50;

export interface PostgresOptions {
  /**
   * Lines of postgresql.conf. `fsync` is off by default: a killed server loses nothing by it, as the kernel keeps what was written; a
   * measurement of speed wants it on.
   */
  settings?: Readonly<Record<string, string>>;
}

/** Starts a server; resolves once it takes connections. The caller disposes of it. Rejects where `postgresAvailable` is false. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const bin = postgresBin();
  if (bin === null) throw new Error(`PostgreSQL is not here. ${POSTGRES_HOW_TO}`);
  const directory = serviceDirectory('postgres');
  try {
    const user = unprivilegedUser();
    const password = randomBytes(18).toString('hex');
    const port = await servicePort();
    const timescale = hasTimescale(bin);
    await makeCluster({ bin, directory, user, password });
    const settings = {
      fsync: 'off',
      // Files in its directory, which are removed with it even after a kill.
      dynamic_shared_memory_type: 'mmap',
      max_connections: `${CONNECTIONS_MAX}`,
      ...(timescale ? { shared_preload_libraries: 'timescaledb', 'timescaledb.telemetry_level': 'off' } : {}),
      ...options.settings,
    };
    const server = new PostgresServer({ bin, directory, user, password, port, timescale, settings });
    await server.start();
    return server;
  } catch (error) {
    removeServiceDirectory(directory);
    throw error;
  }
}

/** Whether `startPostgres` can: the programs are here, and a user to run them as. */
export function postgresAvailable(): boolean {
  return postgresBin() !== null && (!isRoot() || userId(UNPRIVILEGED_USER) !== null);
}

/** Whether the server that `startPostgres` starts can `CREATE EXTENSION timescaledb`. */
export function timescaleAvailable(): boolean {
  const bin = postgresBin();
  return bin !== null && postgresAvailable() && hasTimescale(bin);
}

interface Cluster {
  /** Directory of the programs. */
  bin: string;
  directory: string;
  user: SystemUser | undefined;
  password: string;
  port: number;
  timescale: boolean;
  settings: Readonly<Record<string, string>>;
}

/** Its sessions share its fate: `stop` cuts them off, `kill9` kills them, and they hang while it is paused. */
export class PostgresServer extends RestartableServer {
  /** `postgres://seg:…@127.0.0.1:port/postgres`, of a user who may do anything. */
  readonly url: string;
  /** Whether TimescaleDB is loaded; a database still has to `CREATE EXTENSION timescaledb`. */
  readonly timescale: boolean;
  private readonly directory: string;

  /** Use `startPostgres`. */
  constructor({ bin, directory, user, password, port, timescale, settings }: Cluster) {
    const all = { listen_addresses: '127.0.0.1', port: `${port}`, unix_socket_directories: '', ...settings };
    super({
      name: 'PostgreSQL',
      command: join(bin, 'postgres'),
      args: ['-D', join(directory, 'data'), ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      env: { LC_ALL: 'C', TZ: 'UTC' },
      user,
      cwd: directory,
      readyText: 'database system is ready to accept connections',
      // Ends open sessions, then stops: without it a test's own pool would hold the server up.
      stopSignal: 'SIGINT',
    });
    this.url = `postgres://${ADMIN}:${password}@127.0.0.1:${port}/postgres`;
    this.timescale = timescale;
    this.directory = directory;
  }

  /** Stops it and removes its data. */
  async dispose(): Promise<void> {
    await this.stop();
    await this.freeLock();
    removeServiceDirectory(this.directory);
  }

  /** A killed server leaves the segment of shared memory that guards its data directory; the next start would have removed it. */
  private async freeLock(): Promise<void> {
    const pidFile = join(this.directory, 'data/postmaster.pid');
    if (!existsSync(pidFile)) return;
    const [, segment] = readFileSync(pidFile, 'utf8').split('\n')[SHARED_MEMORY_LINE]?.trim().split(/\s+/) ?? [];
    // It fails when the segment is gone already.
    if (segment !== undefined) await runTool('ipcrm', ['-m', segment]).catch(() => {});
  }
}

async function makeCluster({ bin, directory, user, password }: Pick<Cluster, 'bin' | 'directory' | 'user' | 'password'>): Promise<void> {
  const passwordFile = join(directory, 'password');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (user !== undefined) {
    for (const path of [directory, passwordFile]) chownSync(path, user.uid, user.gid);
  }
  const args = ['--pgdata', join(directory, 'data'), '--username', ADMIN, '--pwfile', passwordFile, '--auth', 'scram-sha-256', '--encoding', 'UTF8', '--locale', 'C', '--no-sync'];
  await runTool(join(bin, 'initdb'), args, { user, cwd: directory, env: { LC_ALL: 'C' } });
  rmSync(passwordFile);
}

/** Where the newest PostgreSQL's programs are; null: nowhere. */
export function postgresBin(): string | null {
  const debian = existsSync(DEBIAN_VERSIONS) ? readdirSync(DEBIAN_VERSIONS) : [];
  const newestFirst = debian.sort((a, b) => Number(b) - Number(a)).map((version) => join(DEBIAN_VERSIONS, version, 'bin'));
  const inPath = (process.env.PATH ?? '').split(delimiter).filter((directory) => directory !== '');
  return [...newestFirst, ...inPath].find((directory) => ['postgres', 'initdb'].every((program) => isExecutable(join(directory, program)))) ?? null;
}

function hasTimescale(bin: string): boolean {
  // Debian keeps pg_config out of the server's package; its libraries are beside the programs.
  const beside = join(bin, '../lib');
  const libraries = isExecutable(join(bin, 'pg_config')) ? execFileSync(join(bin, 'pg_config'), ['--pkglibdir'], { encoding: 'utf8' }).trim() : beside;
  return ['timescaledb.so', 'timescaledb.dylib'].some((file) => existsSync(join(libraries, file)));
}

/** Whom to run the programs as: undefined means as this process. */
function unprivilegedUser(): SystemUser | undefined {
  if (!isRoot()) return undefined;
  const uid = userId(UNPRIVILEGED_USER);
  if (uid === null) throw new Error(`PostgreSQL does not run as root, and there is no user ${UNPRIVILEGED_USER} to run it as. ${POSTGRES_HOW_TO}`);
  return { uid, gid: Number(execFileSync('id', ['-g', UNPRIVILEGED_USER], { encoding: 'utf8' })) };
}

function userId(name: string): number | null {
  try {
    return Number(execFileSync('id', ['-u', name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  } catch {
    return null;
  }
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
