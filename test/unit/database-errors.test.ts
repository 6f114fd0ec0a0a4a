import { describe, expect, it } from 'vitest';
import { databaseAddress } from '../../src/actors/sinks/timescale/database-address.ts';
import { databaseError, isOfARow, isOfItsValues } from '../../src/actors/sinks/timescale/database-errors.ts';
import { ValueRefused } from '../../src/actors/sinks/timescale/binary-copy.ts';
import { timescaleWriter } from '../../src/actors/sinks/timescale/timescale-writer.ts';
import { OperationalError } from '../../src/runtime/errors.ts';
import { nullLog } from '../../src/runtime/log.ts';

const ADDRESS = databaseAddress('postgres://user:geheim@db.example:6543/grid');

function said(code: string | null, message = 'as the server says'): Error {
  return Object.assign(new Error(message), code === null ? {} : { code });
}

describe("the database's errors", () => {
  it.each([
    ['ECONNREFUSED', 'nobody listens'],
    ['ENOTFOUND', 'the name is not known yet'],
    ['57P03', 'the database is starting'],
    ['57P01', 'an operator shut it down'],
    ['57P02', 'it crashed'],
    ['53300', 'too many connections'],
    ['53100', 'the disk is full'],
    ['40001', 'serialization'],
    ['40P01', 'deadlock'],
    ['57014', 'statement timeout'],
    ['55P03', 'lock timeout'],
    ['25006', 'a standby'],
    ['25P03', 'stood in a transaction'],
    ['08006', 'connection failure'],
  ])('%s (%s) passes by itself', (code) => {
    const error = databaseError(said(code), ADDRESS);
    expect(error).toMatchObject({ code: 'unavailable', retryable: true });
    expect(isOfARow(said(code))).toBe(false);
  });

  it.each(['Connection terminated unexpectedly', 'timeout expired', 'timeout exceeded when trying to connect', 'Query read timeout'])('so does "%s"', (message) => {
    expect(databaseError(said(null, message), ADDRESS)).toMatchObject({ code: 'unavailable', retryable: true });
  });

  it.each([
    ['28P01', 'access_denied', /check user and password/],
    ['28000', 'access_denied', /pg_hba/],
    ['3D000', 'no_such_database', /create it/],
    ['42501', 'access_denied', /needs CREATE/],
    ['42P01', 'schema_missing', /restore the table/],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'tls_failed', /sslrootcert/],
    ['XX001', 'database_refused', /as the server says \(XX001\)/],
  ])('%s needs somebody, and says what to do', (code, expected, message) => {
    const error = databaseError(said(code), ADDRESS);
    expect(error).toMatchObject({ code: expected, retryable: false });
    expect(error.message).toMatch(message);
    expect(isOfARow(said(code))).toBe(false);
  });

  it.each([['22021', true], ['22P05', true], ['23514', true], ['54000', true], ['P0001', false], ['38000', false]] as const)('%s may be about one row', (code, ofItsValues) => {
    expect([isOfARow(said(code)), isOfItsValues(said(code))]).toEqual([true, ofItsValues]);
  });

  it('are about a row when its own encoding, or its chunk, is the cause', () => {
    expect([isOfARow(new ValueRefused('x')), isOfItsValues(new ValueRefused('x'))]).toEqual([true, true]);
    expect(isOfARow(said('0A000', 'cannot update/delete rows from chunk "_hyper_1_1_chunk" as it is frozen'))).toBe(true);
    expect(isOfARow(said('0A000', 'functionality not supported'))).toBe(false);
    expect(isOfARow(new Error('anything else'))).toBe(false);
  });

  it('of several addresses are told together', () => {
    const error = new AggregateError([said('ECONNREFUSED', 'refused ::1'), said('ECONNREFUSED', 'refused 127.0.0.1')], '');
    expect(databaseError(Object.assign(error, { code: 'ECONNREFUSED' }), ADDRESS).message).toBe('the database db.example:6543/grid is away: refused ::1, refused 127.0.0.1');
  });

  it('that were told already stay as they are', () => {
    const error = new OperationalError('newer_schema', 'x');
    expect(databaseError(error, ADDRESS)).toBe(error);
  });
});

describe("the database's URL", () => {
  it('is named without user and password', () => {
    expect(ADDRESS.label).toBe('db.example:6543/grid');
    expect(databaseAddress('postgresql://u:p@[::1]/a%20b').label).toBe('[::1]:5432/a b');
    expect(databaseAddress('postgres:///grid?host=/run/postgresql').label).toBe('/run/postgresql:5432/grid');
  });

  it.each(['postgres://user:gehe/im@host/db', 'mysql://user:geheim@host/db', 'geheim', ''])('is refused without being repeated: %s', (url) => {
    let error: unknown = null;
    try {
      timescaleWriter({ url, engineId: 'e', slots: 1, log: nullLog });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: 'invalid_url', retryable: false });
    expect(JSON.stringify([error, (error as Error).message, (error as Error).stack, (error as Error).cause])).not.toMatch(/gehe/);
  });
});
