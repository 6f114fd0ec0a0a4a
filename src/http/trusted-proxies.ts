import type { HttpRequest } from 'uWebSockets.js';
import { BlockList, isIP } from 'node:net';

/**
 * Whose request it is that a proxy passes on. Each hop adds the address it was asked from at the right of X-Forwarded-For, or of Forwarded (RFC 7239); what is further left the client may have written itself. So the list
 * is read from the right for as long as the hop that wrote an entry is trusted: the first address that is not a proxy's is the client's.
 */

/** Entries that are looked at: nobody has so many proxies one behind the other. */
const HOPS_MAX = 32;

export class TrustedProxies {
  private readonly networks = new BlockList();
  readonly areNone: boolean;

  /** Networks as `10.0.0.0/8`, `::1/128`, or single addresses. */
  constructor(networks: readonly string[]) {
    this.areNone = networks.length === 0;
    for (const network of networks) {
      const [address, prefix] = network.split('/');
      if (prefix === undefined) this.networks.addAddress(address, familyOf(address));
      else this.networks.addSubnet(address, Number(prefix), familyOf(address));
    }
  }

  /** The client's address, as uWebSockets writes addresses. null: the proxy's two headers name different ones, so that one of them comes from somebody else. */
  clientOf(peer: string, head: Pick<HttpRequest, 'forEach'>): string | null {
    if (this.areNone || !this.isTrusted(peer)) return peer;
    // A proxy may add its own line instead of going on with the one that came; getHeader gives the first alone.
    const [forwardedFor, forwarded]: string[][] = [[], []];
    head.forEach((name, value) => {
      if (name === 'x-forwarded-for') forwardedFor.push(value);
      else if (name === 'forwarded') forwarded.push(value);
    });
    const named = [
      ...(forwardedFor.length > 0 ? [this.follow(peer, forwardedFor.join(',').split(','))] : []),
      ...(forwarded.length > 0 ? [this.follow(peer, forwarded.join(',').split(',').map(forOf))] : []),
    ];
    return named.length === 2 && named[0] !== named[1] ? null : (named[0] ?? peer);
  }

  /** From the right. What is no address (`unknown`, a name that hides one) ends it: the hop that says so is the last that anybody knows of. */
  private follow(peer: string, entries: readonly string[]): string {
    let client = peer;
    for (const entry of entries.slice(-HOPS_MAX).reverse()) {
      const address = addressOf(entry);
      if (address === null) return client;
      client = address;
      if (!this.isTrusted(address)) return client;
    }
    return client;
  }

  private isTrusted(address: string): boolean {
    return isIP(address) !== 0 && this.networks.check(address, familyOf(address));
  }
}

/** Whether a setting may name it. */
export function isNetwork(text: string): boolean {
  const [address, prefix, ...rest] = text.split('/');
  const bitsMax = isIP(address) === 4 ? 32 : isIP(address) === 6 ? 128 : -1;
  return rest.length === 0 && bitsMax > 0 && (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bitsMax));
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6';
}

/** Of an element of Forwarded, such as `for="[2001:db8::17]:4711";proto=https`; empty without one. */
function forOf(element: string): string {
  return /(?:^|;)\s*for\s*=\s*("[^"]*"|[^;\s]*)/i.exec(element)?.[1].replaceAll('"', '') ?? '';
}

/** With a port or without, IPv6 in brackets or not; null: it is none. */
function addressOf(entry: string): string | null {
  const text = entry.trim();
  const bare = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text)?.[1] ?? (/^[\d.]+:\d{1,5}$/.test(text) ? text.slice(0, text.indexOf(':')) : text);
  const family = isIP(bare);
  if (family === 4) return bare;
  return family === 6 && !bare.includes('%') ? fullIPv6(bare) : null;
}

/** Eight groups of four digits, as uWebSockets has them, so that an address is one whichever way it is written. An IPv4 in one is that. */
function fullIPv6(address: string): string {
  // The URL parser writes what it was given in one way, an IPv4 at its end in hexadecimal.
  const [head, tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::').map((part) => part.split(':').filter((group) => group !== ''));
  const groups = tail === undefined ? head : [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => '0'), ...tail];
  const full = groups.map((group) => group.padStart(4, '0')).join(':');
  if (!full.startsWith(MAPPED_V4)) return full;
  return [...groups[6].padStart(4, '0'), ...groups[7].padStart(4, '0')].join('').match(/../g)!.map((byte) => parseInt(byte, 16)).join('.');
}

const MAPPED_V4 = '0000:0000:0000:0000:0000:ffff:';
