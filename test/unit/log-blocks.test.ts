import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { placeOfKey, stateKey } from '../../src/actors/kafka-log/changelog.ts';
import { packKeyValues, unpackKeyValues } from '../../src/actors/kafka-log/key-values.ts';
import { messageCount, packMessages, unpackMessages } from '../../src/actors/kafka-log/message-block.ts';
import type { LogMessage } from '../../src/actors/kafka-log/protocol.ts';

const bytes = fc.uint8Array({ maxLength: 40 });
const message = fc.record({
  partition: fc.constant(7),
  offset: fc.nat(2 ** 40),
  timestampMs: fc.nat(2 ** 41),
  judgedAtMs: fc.option(fc.nat(2 ** 41)),
  key: fc.option(bytes),
  value: fc.option(bytes),
  kind: fc.constantFrom('reading', 'control'),
  contentType: fc.constantFrom('json', 'ndjson', 'msgpack'),
}) as fc.Arbitrary<LogMessage>;

describe('what crosses threads in one buffer', () => {
  it('messages come out as they went in', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 20 }), (messages) => {
        const block = packMessages(7, messages);
        expect(messageCount(block)).toBe(messages.length);
        expect([...unpackMessages(block)]).toEqual(messages);
      }),
    );
  });

  it('changes of the state come out as they went in', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ key: bytes, value: fc.option(bytes) }), { maxLength: 20 }), (pairs) => {
        expect(unpackKeyValues(packKeyValues(pairs))).toEqual(pairs);
      }),
    );
  });

  it('a key of the changelog names its table and the key in it, whatever bytes that has', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z]{1,20}$/), bytes, (table, key) => {
        const place = placeOfKey(stateKey(table, key));
        expect([place.table, [...place.key]]).toEqual([table, [...key]]);
      }),
    );
    expect(() => placeOfKey(Buffer.from('no table'))).toThrow(/no engine wrote/);
  });
});
