import { ServiceProcess, type ServiceCommand } from './service-process.ts';

/** A server that can be taken down and brought back: one run after the other of the same command, on the same address and data. */
export class RestartableServer {
  private readonly command: ServiceCommand;
  private process: ServiceProcess | null = null;

  constructor(command: ServiceCommand) {
    this.command = command;
  }

  get pid(): number {
    return this.up().pid;
  }

  /** Of its last run; null while it is up, and when a signal ended it. */
  get exitCode(): number | null {
    return this.process?.exitCode ?? null;
  }

  /** Brings it up, the first time or after `stop` or `kill9`. */
  async start(): Promise<void> {
    if (this.process?.isUp === true) throw new Error(`${this.command.name} is up already`);
    this.process = await ServiceProcess.start(this.command);
  }

  /** Orderly; the data stays for another `start`. */
  async stop(timeoutMs?: number): Promise<void> {
    await this.process?.stop(timeoutMs);
  }

  /** As a crash would; the data stays for another `start`. */
  async kill9(): Promise<void> {
    await this.up().kill9();
  }

  /** It hangs: connections stay open, nothing is answered and nothing refused. */
  pause(): void {
    this.up().pause();
  }

  resume(): void {
    this.up().resume();
  }

  /** Kills it if it is up. */
  async end(): Promise<void> {
    await this.process?.kill9();
  }

  private up(): ServiceProcess {
    if (this.process === null || !this.process.isUp) throw new Error(`${this.command.name} is not up`);
    return this.process;
  }
}
