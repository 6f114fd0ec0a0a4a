import { isId, type MeterId, type RegionId } from '../model/ids.ts';

/** Names of the live stream's channels, and what each is about. */

/** Channels of everything there is of a kind. */
export const FIXED_CHANNELS = ['regions', 'windows', 'anomalies', 'alerts', 'prices', 'bills', 'engine'] as const;
export type FixedChannel = (typeof FIXED_CHANNELS)[number];
/** `region:` and `windows:` one region of `regions` and `windows`; `bills:` the bills of one meter; `contact:` messages for a person, as they come, without snapshot and seq. */
export type ChannelName = FixedChannel | `region:${string}` | `windows:${string}` | `bills:${string}` | `meter:${string}` | `contact:${string}`;

/** What a name stands for. `feed`: the fixed channel that its content is a part of. */
export type ChannelAddress =
  | { kind: 'fixed'; name: ChannelName; feed: FixedChannel }
  | { kind: 'region'; name: ChannelName; feed: 'regions' | 'windows'; region: RegionId }
  | { kind: 'bills'; name: ChannelName; feed: 'bills'; meterId: MeterId }
  | { kind: 'meter'; name: ChannelName; meterId: MeterId }
  | { kind: 'contact'; name: ChannelName; contactId: string };

export const CHANNEL_NAMES_HINT = `${FIXED_CHANNELS.join(', ')}, region:REGION, windows:REGION, bills:METER_ID, meter:METER_ID and contact:CONTACT_ID`;

/** null: no channel is called so. */
export function channelAddress(text: unknown): ChannelAddress | null {
  if (typeof text !== 'string') return null;
  const name = text as ChannelName;
  if ((FIXED_CHANNELS as readonly string[]).includes(text)) return { kind: 'fixed', name, feed: text as FixedChannel };
  const colon = text.indexOf(':');
  const id = text.slice(colon + 1);
  if (colon === -1 || !isId(id)) return null;
  switch (text.slice(0, colon)) {
    case 'region':
      return { kind: 'region', name, feed: 'regions', region: id as RegionId };
    case 'windows':
      return { kind: 'region', name, feed: 'windows', region: id as RegionId };
    case 'bills':
      return { kind: 'bills', name, feed: 'bills', meterId: id as MeterId };
    case 'meter':
      return { kind: 'meter', name, meterId: id as MeterId };
    case 'contact':
      return { kind: 'contact', name, contactId: id };
    default:
      return null;
  }
}
