import type { Notice } from '../../model/notice.ts';
import { RecordTable, sortableNumber } from '../../runtime/record-table.ts';
import type { KeyedRecord } from '../../runtime/record-table.ts';
import type { Store } from '../../runtime/store.ts';
import type { GroupRecord, MemberRecord } from './group.ts';

/** Between a group's key and an alert's id; neither has one. */
const PART = '/';

export interface StoredGroup {
  record: GroupRecord;
  /** Those that people were told of. */
  members: { alertId: string; record: MemberRecord }[];
}

/** Where groups are kept, and the notices that nobody has made deliveries of yet: table `notices`, in order. Who makes the deliveries removes them in the same commit. */
export class GroupStore {
  private readonly groups: RecordTable<GroupRecord>;
  /** `group/alert`: what people were told of it. */
  private readonly members: RecordTable<MemberRecord>;
  private readonly notices: RecordTable<Notice>;
  private readonly counters: RecordTable<number>;
  private readonly changedGroups = new Map<string, GroupRecord | null>();
  private readonly changedMembers = new Map<string, MemberRecord | null>();
  private newNotices: Notice[] = [];
  /** Rise for ever, so that no group and no place in the order of notices comes twice. */
  private groupsMade = 0;
  private noticesMade = 0;
  private countersAreStored = true;

  constructor(store: Store) {
    this.groups = new RecordTable(store, 'groups');
    this.members = new RecordTable(store, 'group-members');
    this.notices = new RecordTable(store, 'notices');
    this.counters = new RecordTable(store, 'group-counters');
  }

  load(): StoredGroup[] {
    this.groupsMade = this.counters.get('groups') ?? 0;
    this.noticesMade = this.counters.get('notices') ?? 0;
    const groups = new Map<string, StoredGroup>();
    for (const { key, record } of this.groups.range()) groups.set(key, { record, members: [] });
    for (const { key, record } of this.members.range()) {
      const [group, alertId] = key.split(PART, 2);
      groups.get(group)?.members.push({ alertId, record });
    }
    return [...groups.values()];
  }

  nextGroupNumber(): number {
    this.countersAreStored = false;
    return ++this.groupsMade;
  }

  put(record: GroupRecord): void {
    this.changedGroups.set(record.key, record);
  }

  remove({ key }: GroupRecord): void {
    this.changedGroups.set(key, null);
  }

  putMember({ key }: GroupRecord, alertId: string, record: MemberRecord | null): void {
    this.changedMembers.set(key + PART + alertId, record);
  }

  putNotice(notice: Notice): void {
    this.newNotices.push(notice);
  }

  /** Queues what changed for the store's next commit. Gives the notices among it, with their keys, to be handed on when it is durable. */
  flush(): KeyedRecord<Notice>[] {
    for (const [key, record] of this.changedGroups) queue(this.groups, key, record);
    for (const [key, record] of this.changedMembers) queue(this.members, key, record);
    this.changedGroups.clear();
    this.changedMembers.clear();
    const notices = this.newNotices.map((record) => ({ key: sortableNumber(++this.noticesMade), record }));
    this.newNotices = [];
    for (const { key, record } of notices) this.notices.put(key, record);
    if (notices.length > 0) this.counters.put('notices', this.noticesMade);
    if (!this.countersAreStored) this.counters.put('groups', this.groupsMade);
    this.countersAreStored = true;
    return notices;
  }
}

function queue<T>(table: RecordTable<T>, key: string, record: T | null): void {
  if (record === null) table.remove(key);
  else table.put(key, record);
}
