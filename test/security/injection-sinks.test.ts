import { afterAll, beforeAll, expect, test } from 'vitest';
import { ValueEncoder } from '../../src/actors/sinks/kafka/message-values.ts';
import { suiteWithPostgres } from '../services/service-suites.ts';
import { postBody, scrape } from '../support/engine-api.ts';
import { eventually } from '../support/engine-process.ts';
import { freshDatabase, type FreshDatabase } from '../support/fresh-database.ts';
import { formula, hostile, startHostileEngine, type HostileEngine } from '../support/hostile-engine.ts';
import { HOSTILE_TEXTS } from './hostile-texts.ts';

/** What goes to a database and to topics of a real engine in which all that somebody may choose ends a statement, a line or a document: rows and messages hold it as it was. */

const START_TIMEOUT_MS = 180_000;
const WAIT_MS = 30_000;

suiteWithPostgres('hostile texts in a database', (postgres) => {
  let database: FreshDatabase;
  let grid: HostileEngine;

  beforeAll(async () => {
    database = await freshDatabase(postgres().url);
    grid = await startHostileEngine({ TIMESCALE_URL: database.url });
  }, START_TIMEOUT_MS);
  afterAll(async () => {
    await grid?.people.engine.dispose();
    await database?.drop();
  });

  const column = async (sql: string): Promise<unknown[]> => (await database.rows<{ it: unknown }>(sql)).map(({ it }) => it);
  const holds = (sql: string, text: string) => eventually(() => column(sql), (found) => found.includes(text), WAIT_MS);

  test('are rows as they were written, and nothing else becomes of them', async () => {
    await holds('SELECT customer_name AS it FROM invoices', formula('customer'));
    await holds('SELECT charge AS it FROM invoice_lines', hostile('charge'));
    await holds('SELECT reference AS it FROM payments', hostile('payment'));
    await holds('SELECT acknowledged_why AS it FROM alerts', hostile('acknowledged'));
    await holds('SELECT resolved_why AS it FROM alerts', hostile('resolved'));
    await eventually(() => column('SELECT raw AS it FROM dead_letter'), (found) => found.some((raw) => String(raw).includes(JSON.stringify(hostile('dead meter')))), WAIT_MS);
    expect((await scrape(grid.people.engine)).get('seg_sink_set_aside_total{sink="timescale"}')).toBe(0);
  });

  test('are kept as they came where a reading was rejected, but for NUL, which no text of the database holds', async () => {
    const { engine, headers } = grid.people;
    const texts = HOSTILE_TEXTS.map(({ text }) => text).filter((text) => text.length < 500);
    const body = JSON.stringify(texts.map((text, i) => ({ meterId: text, region: `bad ${i}`, timestamp: Date.now(), powerKw: 1 })));
    expect((await postBody(engine, body, { 'content-type': 'application/json', ...headers.ingest })).status).toBe(202);
    const rows = (): Promise<unknown[]> => column("SELECT raw AS it FROM dead_letter WHERE raw LIKE '%\"region\":\"bad %'");
    const found = (await eventually(rows, (kept) => kept.length === texts.length, WAIT_MS)).map(String);
    const meterOf = (raw: string): string => JSON.parse(raw).meterId;
    expect(new Set(found.map(meterOf))).toEqual(new Set(texts));
    expect(await column('SELECT count(*)::int AS it FROM alerts')).toEqual([expect.any(Number)]);
    expect((await scrape(engine)).get('seg_sink_set_aside_total{sink="timescale"}')).toBe(0);
  });
});

test('are members of a JSON document in a message to a topic', () => {
  const encoder = new ValueEncoder('json');
  for (const { text } of HOSTILE_TEXTS) expect(JSON.parse(String(encoder.encode({ reason: text, customer: { name: text } })))).toEqual({ reason: text, customer: { name: text } });
});
