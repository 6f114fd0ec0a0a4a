import { expect, test } from 'vitest';
import { describeReport } from '../../src/engine/verify-command.ts';

const LOOKED = { shards: 2, meters: 30, windows: 1_200, records: 7, alertRecords: 1, billingRecords: null, accountRecords: 12, registryRecords: 1, auditEnd: null };

test('what was verified is counted in the words of one and of many', () => {
  expect(describeReport('data', { ...LOOKED, findings: [], found: 0 })).toBe('data: 2 shards, 30 meters, 1,200 windows, 7 log records, 1 record of alerts, 1 record of the registry, 12 records of accounts: sound\n');
  const finding = { where: 'shard 0:', problem: 'is not there' };
  const faulty = describeReport('data', { ...LOOKED, shards: 1, meters: 1, windows: 1, records: 1, findings: [finding], found: 1 });
  expect(faulty).toMatch(/^data: 1 shard, 1 meter, 1 window, 1 log record, .*: 1 fault\nshard 0: is not there\n/);
  expect(describeReport('data', { ...LOOKED, findings: [finding], found: 3 })).toMatch(/: 3 faults\nshard 0: is not there\n… and 2 more\n/);
});
