import { Actor, type ActorDeps } from '../../runtime/actor.ts';
import type { RegionChange, RegionMessage } from './protocol.ts';
import { RegionState, type RegionCapacities } from './state.ts';

/** Reports wait here while the main thread is busy: half a minute of 64 shards that report twice a second. */
const MAILBOX_MAX = 4_096;

/** The region actor: merges what the shards report into the regions' live picture and their recent windows. */
export class RegionActor extends Actor<RegionMessage> {
  readonly state: RegionState;

  constructor(capacities: RegionCapacities, deps: ActorDeps, onChange: (change: RegionChange) => void) {
    const state = new RegionState(capacities);
    super(
      {
        name: 'region',
        mailboxMax: MAILBOX_MAX,
        receive: (message) => {
          if (message.kind === 'shardDown') state.forget(message.shard);
          else onChange({ windows: message.kind === 'report' ? state.report(message) : state.seed(message.shard, message.from, message.parts) });
        },
      },
      deps,
    );
    this.state = state;
  }
}
