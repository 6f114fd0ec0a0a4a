import { createHash } from 'node:crypto';
import { heldTime, mayReach, type Principal, type Subject } from '../model/access.ts';
import { isAlways, spanAt, type HeldTime } from '../model/held-time.ts';
import type { MeterId } from '../model/ids.ts';
import type { ChannelAddress } from './live-names.ts';

/** Which channels somebody may hear, and how much of each. */

/** Which items of a channel somebody gets. Those with the same name and scope get the same, and share their texts. */
export interface ItemFilter {
  /**
   * Sent with snapshots and given back by who resumes, so that nobody goes on with what was true under other rights. null: what the channel's name says, whoever asks.
   */
  readonly scope: string | null;
  /** Of a meter: nothing of it from before is told; absent or null: all of it is. */
  readonly since?: number | null;
  passes(subject: Subject): boolean;
}

export const EVERYTHING: ItemFilter = { scope: null, passes: () => true };

/** Of 64 bits: two sets of regions of an engine do not share one by chance. */
const SCOPE_BYTES = 8;

/** What somebody gets of a channel at this moment; null: nothing, and no word on whether there is such a thing. Of a meter it is checked again with each answer (`reachesMeter`), which has the region. */
export function filterFor(principal: Principal, address: ChannelAddress, nowMs: number): ItemFilter | null {
  const isFree = principal.regions === 'all';
  switch (address.kind) {
    case 'fixed':
      if (isFree || address.feed === 'prices') return EVERYTHING;
      if (principal.role === 'consumer') return null;
      return address.feed === 'engine' ? EVERYTHING : regionsOf(principal);
    case 'region':
      if (!mayReach(principal, { meterId: null, region: address.region }, nowMs)) return null;
      return { scope: null, passes: ({ region }) => region === address.region };
    case 'bills': {
      const ofMeter: ItemFilter = { scope: null, passes: ({ meterId }) => meterId === address.meterId };
      if (isFree) return ofMeter;
      if (principal.role === 'consumer') return billsOf(principal, address.meterId, nowMs);
      const reached = regionsOf(principal);
      return { scope: reached.scope, passes: (subject) => ofMeter.passes(subject) && reached.passes(subject) };
    }
    case 'meter':
      return isFree || principal.role === 'operator' ? EVERYTHING : meterOf(principal, address.meterId, nowMs);
    case 'contact':
      return principal.role !== 'consumer' || address.contactId === principal.id ? EVERYTHING : null;
  }
}

function regionsOf(principal: Principal): ItemFilter {
  return { scope: scopeOf(principal.regions as ReadonlySet<string>), passes: ({ region }) => mayReach(principal, { meterId: null, region }, 0) };
}

/** Of who has a meter now what is of it since. */
function meterOf(principal: Principal, meterId: MeterId, nowMs: number): ItemFilter | null {
  const span = spanAt(heldTime(principal, meterId, nowMs), nowMs);
  if (span === null) return null;
  return span.from === null ? EVERYTHING : { scope: scopeOfTime([{ from: span.from, until: null }]), since: span.from, passes: () => true };
}

/** Of who has a meter, or had it, the bills of that time. */
function billsOf(principal: Principal, meterId: MeterId, nowMs: number): ItemFilter | null {
  const held = heldTime(principal, meterId, nowMs);
  if (held.length === 0) return null;
  return { scope: isAlways(held) ? null : scopeOfTime(held), passes: (subject) => subject.meterId === meterId && mayReach(principal, subject, nowMs) };
}

function scopeOfTime(held: HeldTime): string {
  return hashOf(held.map(({ from, until }) => `${from ?? ''}..${until ?? ''}`).join(' '));
}

function scopeOf(regions: ReadonlySet<string>): string {
  // Regions have no space in their names.
  return hashOf([...regions].sort().join(' '));
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest().subarray(0, SCOPE_BYTES).toString('base64url');
}
