import type { HttpRequest } from 'uWebSockets.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isNetwork, TrustedProxies } from '../../src/http/trusted-proxies.ts';

const proxies = new TrustedProxies(['127.0.0.1', '10.0.0.0/8', 'fd00::/8']);
/** As heads come: each line by itself. */
const head = (...lines: [string, string][]): Pick<HttpRequest, 'forEach'> => ({ forEach: (fn) => lines.forEach(([name, value]) => fn(name, value)) });
const client = (peer: string, ...lines: [string, string][]) => proxies.clientOf(peer, head(...lines));
const XFF = 'x-forwarded-for';

describe('the client of a request', () => {
  it('is the peer where no proxy is trusted, or the peer is none, whatever the head says', () => {
    expect(new TrustedProxies([]).clientOf('10.0.0.1', head([XFF, '1.2.3.4']))).toBe('10.0.0.1');
    expect(client('203.0.113.9', [XFF, '1.2.3.4'], ['forwarded', 'for=5.6.7.8'])).toBe('203.0.113.9');
    expect(client('127.0.0.1')).toBe('127.0.0.1');
  });

  it.each([
    ['what its proxy wrote', '127.0.0.1', '198.51.100.7', '198.51.100.7'],
    ['not what the client wrote further left', '127.0.0.1', '1.1.1.1, 198.51.100.7', '198.51.100.7'],
    ['behind two proxies', '127.0.0.1', '1.1.1.1, 198.51.100.7, 10.1.2.3', '198.51.100.7'],
    ['the first of all where everybody is a proxy', '127.0.0.1', '10.9.9.9,10.1.2.3', '10.9.9.9'],
    ['not further than what is no address', '127.0.0.1', '1.1.1.1, unknown, 10.1.2.3', '10.1.2.3'],
    ['not further than nothing', '127.0.0.1', '1.1.1.1,', '127.0.0.1'],
    ['without its port', '127.0.0.1', '198.51.100.7:4711', '198.51.100.7'],
    ['one of IPv6, as uWebSockets writes it', '127.0.0.1', '[2001:db8::17]:4711', '2001:0db8:0000:0000:0000:0000:0000:0017'],
    ['an IPv4 in one of IPv6', '127.0.0.1', '::ffff:198.51.100.7', '198.51.100.7'],
    ['of a peer in IPv6', 'fd00:0000:0000:0000:0000:0000:0000:0001', '198.51.100.7', '198.51.100.7'],
    ['of a peer in IPv4 over a socket of IPv6', '0000:0000:0000:0000:0000:ffff:0a00:0001', '198.51.100.7', '198.51.100.7'],
    ['none of a scope', '127.0.0.1', 'fe80::1%eth0', '127.0.0.1'],
  ])('is %s', (_, peer, value, expected) => {
    expect(client(peer, [XFF, value])).toBe(expected);
  });

  it('is what the last line says where a proxy adds one', () => {
    expect(client('127.0.0.1', [XFF, '1.1.1.1'], [XFF, '198.51.100.7'])).toBe('198.51.100.7');
  });

  it.each([
    ['for=198.51.100.7', '198.51.100.7'],
    ['for=1.1.1.1, for="198.51.100.7:4711";proto=https;by=10.0.0.1', '198.51.100.7'],
    ['proto=https; For="[2001:db8::17]"', '2001:0db8:0000:0000:0000:0000:0000:0017'],
    ['for=1.1.1.1, for=_hidden', '127.0.0.1'],
    ['for=1.1.1.1, proto=https', '127.0.0.1'],
  ])('is what Forwarded says: %s', (value, expected) => {
    expect(client('127.0.0.1', ['forwarded', value])).toBe(expected);
  });

  it('is nobody\'s where the two say different things: a client wrote the one that its proxy did not', () => {
    expect(client('127.0.0.1', ['forwarded', 'for=1.1.1.1'], [XFF, '198.51.100.7'])).toBeNull();
    expect(client('127.0.0.1', ['forwarded', 'for=198.51.100.7'], [XFF, '1.1.1.1, 198.51.100.7'])).toBe('198.51.100.7');
  });

  it('never is what a client wrote, whatever it wrote', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ maxLength: 12 }), fc.constantFrom('10.0.0.1', '127.0.0.1', 'unknown', '', ',,', '[::1')), { maxLength: 6 }), fc.array(fc.constantFrom('10.0.0.1', '10.0.0.2', 'fd00::1'), { maxLength: 3 }), (written, hops) => {
        // The client asks the outermost proxy, and each hop adds whom it was asked by.
        expect(client('127.0.0.1', [XFF, [...written, '198.51.100.7', ...hops].join(', ')])).toBe('198.51.100.7');
      }),
    );
  });
});

describe('a network', () => {
  it('is an address, with the length of a prefix or without', () => {
    expect(['10.0.0.0/8', '127.0.0.1', '::1', 'fd00::/8', '0.0.0.0/0'].map(isNetwork)).toEqual([true, true, true, true, true]);
    expect(['10.0.0.0/33', 'proxy', '10.0.0.0/', '10.0.0.0/8/8', '', '::1/129', '10.0.0.0/-1', '*'].map(isNetwork)).toEqual([false, false, false, false, false, false, false, false]);
  });
});
