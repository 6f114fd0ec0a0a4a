import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';

/**
 * A server that does nothing but keep connections open: what the machine itself makes of thousands of them, be it the kernel or whoever lists sockets, must not be
 * taken for what they do to an engine. In a process of its own, as the engine is, because a process may have no more open than `ulimit -n`.
 */

const SCRIPT = fileURLToPath(import.meta.url);
const HOST = '127.0.0.1';
const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';

export class BystanderHost {
  readonly port: number;
  private readonly child: ChildProcess;

  /** Rejects when it ends before it listens; it ends with this process. */
  static async start(): Promise<BystanderHost> {
    const child = spawn(process.execPath, [SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'] });
    const port = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`the bystanders' own server ended with ${code}`)));
      createInterface({ input: child.stdout! }).once('line', (line) => resolve(Number(line)));
    });
    return new BystanderHost(child, port);
  }

  private constructor(child: ChildProcess, port: number) {
    this.child = child;
    this.port = port;
  }

  /** Resolves when the process is gone, and its connections with it. */
  async stop(): Promise<void> {
    const exited = once(this.child, 'exit');
    this.child.stdin!.end();
    await exited;
  }
}

/** Prints its port; a sign of life is answered, as the engine does, and a slow sender's bytes lead to nothing. */
async function serve(): Promise<void> {
  const server = createServer((socket) => socket.on('error', () => {}).on('data', (bytes) => bytes.toString('latin1').startsWith('GET ') && socket.write(ANSWER)));
  server.listen(0, HOST);
  await once(server, 'listening');
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
  process.stdin.resume().once('end', () => process.exit(0));
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await serve();
