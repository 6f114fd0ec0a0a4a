import { createHash } from 'node:crypto';
import { mayReach, type Principal, type Subject } from '../model/access.ts';
import type { ChannelAddress } from './live-names.ts';

/** Which channels somebody may hear, and how much of each. */

/** Which items of a channel somebody gets. Those with the same name and scope get the same, and share their texts. */
export interface ItemFilter {
  /**
   * Sent with snapshots and given back by who resumes, so that nobody goes on with what was true under other rights. null: what the channel's name says, whoever asks.
   */
  readonly scope: string | null;
  passes(subject: Subject): boolean;
}

export const EVERYTHING: ItemFilter = { scope: null, passes: () => true };

/** Of 64 bits: two sets of regions of an engine do not share one by chance. */
const SCOPE_BYTES = 8;

/** What somebody gets of a channel; null: nothing, and no word on whether there is such a thing. Of a meter it is checked again with each answer (`reachesMeter`), which has the region. */
export function filterFor(principal: Principal, address: ChannelAddress): ItemFilter | null {
  const isFree = principal.regions === 'all';
  switch (address.kind) {
    case 'fixed':
      if (isFree || address.feed === 'prices') return EVERYTHING;
      if (principal.role === 'consumer') return null;
      return address.feed === 'engine' ? EVERYTHING : regionsOf(principal);
    case 'region':
      if (!mayReach(principal, { meterId: null, region: address.region })) return null;
      return { scope: null, passes: ({ region }) => region === address.region };
    case 'bills': {
      const ofMeter: ItemFilter = { scope: null, passes: ({ meterId }) => meterId === address.meterId };
      if (isFree || principal.role === 'consumer') return isFree || principal.meters.has(address.meterId) ? ofMeter : null;
      const reached = regionsOf(principal);
      return { scope: reached.scope, passes: (subject) => ofMeter.passes(subject) && reached.passes(subject) };
    }
    case 'meter':
      return isFree || principal.role === 'operator' || principal.meters.has(address.meterId) ? EVERYTHING : null;
    case 'contact':
      return principal.role !== 'consumer' || address.contactId === principal.id ? EVERYTHING : null;
  }
}

function regionsOf(principal: Principal): ItemFilter {
  return { scope: scopeOf(principal.regions as ReadonlySet<string>), passes: ({ region }) => mayReach(principal, { meterId: null, region }) };
}

function scopeOf(regions: ReadonlySet<string>): string {
  // Regions have no space in their names.
  return createHash('sha256').update([...regions].sort().join(' ')).digest().subarray(0, SCOPE_BYTES).toString('base64url');
}
