import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { runTool } from './service-process.ts';

/** Apache Kafka's jars: got once from Maven Central by Maven, checked against the list in this repository each time they are used. */

const KAFKA = join(import.meta.dirname, 'kafka');
const REPOSITORY = resolve(import.meta.dirname, '../..');
const DIRECTORY = resolve(process.env.SEG_TEST_KAFKA_DIR ?? join(REPOSITORY, 'node_modules/.cache/seg-kafka'));

export const LOG_SETTINGS = join(KAFKA, 'log4j2.properties');

/** Classes of a broker as Java has them in memory (class-data sharing), made by the broker that `makeClassArchive` of kafka.ts runs. Java leaves alone what was made of other jars or by another Java. */
export const CLASS_ARCHIVE = join(DIRECTORY, 'classes.jsa');

/** `sha256sum`'s format, so that `sha256sum --check` reads it as well. */
const JAR_LIST = join(KAFKA, 'jars.sha256');

export interface Jar {
  file: string;
  /** Hexadecimal. */
  sha256: string;
}

/** Whether all jars are there; what is in them is checked by `kafkaClassPath`. */
export function kafkaJarsPresent(): boolean {
  return listedJars().every(({ file }) => existsSync(join(DIRECTORY, file)));
}

/** What to give `java -cp`. Throws when a jar is missing or is not what the list says. */
export function kafkaClassPath(): string {
  const jars = listedJars();
  checkJars(DIRECTORY, jars);
  return jars.map(({ file }) => join(DIRECTORY, file)).join(delimiter);
}

/**
 * Gets the jars with Maven, unless they are there already. Maven reads its own settings for mirrors and proxies, checks what Maven
 * Central publishes as checksums, and keeps what it has got when it is stopped. Several at once do no harm.
 */
export async function fetchKafkaJars(options: { signal?: AbortSignal } = {}): Promise<void> {
  const jars = listedJars();
  if (faultsOf(DIRECTORY, jars).length === 0) return;
  mkdirSync(DIRECTORY, { recursive: true });
  const fetched = mkdtempSync(join(DIRECTORY, 'fetching-'));
  try {
    const args = ['--batch-mode', '--quiet', '--strict-checksums', '--file', join(KAFKA, 'pom.xml')];
    await runTool('mvn', [...args, 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${fetched}`], options);
    checkJars(fetched, jars);
    // Whole files, one by one: who looks meanwhile finds that some are missing. What else is in the directory is not ours to remove.
    for (const { file } of jars) renameSync(join(fetched, file), join(DIRECTORY, file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Error('Kafka\'s jars come from Maven Central by Maven, which is not here: `apt-get install maven`', { cause: error });
  } finally {
    rmSync(fetched, { recursive: true, force: true });
  }
}

/** The jars of jars.sha256. */
export function listedJars(): Jar[] {
  const lines = readFileSync(JAR_LIST, 'utf8').trim().split('\n');
  return lines.map((line) => {
    const [sha256, file] = line.split('  ');
    return { file, sha256 };
  });
}

/** Throws with every jar of `jars` that is missing in `directory` or has another content. */
export function checkJars(directory: string, jars: readonly Jar[]): void {
  const faults = faultsOf(directory, jars);
  if (faults.length > 0) throw new Error(`Kafka's jars in ${directory} are not those of test/services/kafka/jars.sha256:\n${faults.join('\n')}`);
}

function faultsOf(directory: string, jars: readonly Jar[]): string[] {
  return jars.flatMap(({ file, sha256 }) => {
    const path = join(directory, file);
    if (!existsSync(path)) return [`${file} is missing`];
    const found = createHash('sha256').update(readFileSync(path)).digest('hex');
    return found === sha256 ? [] : [`${file} has the SHA-256 ${found} in place of ${sha256}`];
  });
}
