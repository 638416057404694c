// Owns: the words of the consensus core: entries, durable state, messages, and what goes in and comes out. Types only.
// The core is pure: it never waits, reads a clock or draws a random number. Time is passed in as monotonic milliseconds.
// Words are those of Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm" and Ongaro's thesis.

export type NodeId = string;

/** A command is the state machine's and opaque here, empty as a leader's first entry of its term; a membership is the core's own. */
export type EntryKind = "command" | "membership";

export type Entry = { readonly index: number; readonly term: number; readonly kind: EntryKind; readonly data: Uint8Array };

/** What must survive a restart beside the entries. `vote` is "" when none was given in `term`. */
export type HardState = { readonly term: number; readonly vote: NodeId; readonly commit: number };

/** One or (in a joint configuration) two sets of voters, and learners. `places` says where each member is found; opaque here. */
export type Membership = {
  readonly voters: readonly (readonly NodeId[])[];
  readonly learners: readonly NodeId[];
  readonly places: ReadonlyMap<NodeId, string>;
};

/** The membership that is asked for: one set of voters. */
export type MembershipTarget = {
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
  readonly places: ReadonlyMap<NodeId, string>;
};

/** A membership and the entry that brought it; index 0 is what a cluster was founded with. */
export type MembershipAt = { readonly index: number; readonly membership: Membership };

/**
 * What is on disk, as the core may ask for it. Implemented by src/storage; all synchronous. Indexes start at 1. `firstIndex` may grow
 * between calls, up to what was applied; a log without entries ends at `firstIndex - 1`.
 */
export interface LogReader {
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** Term of a stored entry, or of `firstIndex - 1` when that was dropped; otherwise undefined. Index 0 is not asked for. */
  term(index: number): number | undefined;
  /** The membership entries that are stored now, in order. */
  membershipEntries(): readonly Entry[];
  /** Stored entries from `from` up to `to` (inclusive), at least one, cut when `maxBytes` of data are exceeded. */
  entries(from: number, to: number, maxBytes: number): Entry[];
}

export type RaftOptions = {
  readonly id: NodeId;
  /** A follower starts to campaign after a uniformly drawn [electionTimeoutMs, 2 * electionTimeoutMs) of silence. */
  readonly electionTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly appendsInFlightMax: number;
  readonly appendMaxBytes: number;
  readonly uncommittedMaxBytes: number;
  readonly logCacheMaxBytes: number;
  readonly readsWaitingMax: number;
  /** Seeded generator, uniform in [0, 1). */
  readonly random: () => number;
};

export type Restored = {
  readonly hardState: HardState;
  readonly log: LogReader;
  readonly appliedIndex: number;
  /** What was in force at `appliedIndex` (a joining node: nobody); newer ones are found in the log. */
  readonly membership: MembershipAt;
  /**
   * The node is new, or was wiped: it knows no membership and promises nothing while its log is empty. If it was a voter before,
   * `hardState.term` is at least the term in which it was committed that it is none any more: what it promised before is void then.
   */
  readonly joining: boolean;
};

/**
 * `term` is the sender's, except that a pre-vote and its grant carry the term the sender would campaign in. `round` of a pre-vote
 * comes back in its answer. An accepted append_reply says that everything up to `match` is durable; a refused one carries the
 * refused prevIndex in `match` and where the logs may still agree in the hint. `lastIndex` of a heartbeat_reply is durable; its
 * `commit` is the follower's own, up to which its log agrees with every leader's.
 */
export type Message =
  | { readonly kind: "pre_vote"; readonly term: number; readonly lastIndex: number; readonly lastTerm: number; readonly round: number }
  | { readonly kind: "pre_vote_reply"; readonly term: number; readonly granted: boolean; readonly round: number }
  | { readonly kind: "vote"; readonly term: number; readonly lastIndex: number; readonly lastTerm: number; readonly transfer: boolean }
  | { readonly kind: "vote_reply"; readonly term: number; readonly granted: boolean }
  | {
      readonly kind: "append";
      readonly term: number;
      readonly prevIndex: number;
      readonly prevTerm: number;
      readonly entries: readonly Entry[];
      readonly commit: number;
    }
  | {
      readonly kind: "append_reply";
      readonly term: number;
      readonly accepted: boolean;
      readonly match: number;
      readonly hintIndex: number;
      readonly hintTerm: number;
    }
  | { readonly kind: "heartbeat"; readonly term: number; readonly commit: number; readonly round: number; readonly leaderCommit: number }
  | { readonly kind: "heartbeat_reply"; readonly term: number; readonly round: number; readonly lastIndex: number; readonly commit: number }
  | { readonly kind: "read_index"; readonly term: number; readonly context: number }
  | { readonly kind: "read_index_reply"; readonly term: number; readonly context: number; readonly index: number; readonly ok: boolean }
  | { readonly kind: "timeout_now"; readonly term: number };

/** One write to the log: executed strictly in order of `number`, one in flight. Entries replace everything from `truncateFrom` on. */
export type LogWrite = {
  readonly number: number;
  readonly truncateFrom: number | undefined;
  readonly entries: readonly Entry[];
  readonly hardState: HardState;
};

export type Role = "follower" | "pre_candidate" | "candidate" | "leader";

/** Why a proposal or read was not taken. Nothing has happened. */
export type Refusal = "not_leader" | "overloaded" | "transferring";

/** Why a change of the membership was not begun: besides, another is under way, the leader is too new, or it cannot be one. */
export type ChangeRefusal = Refusal | "change_pending" | "not_ready" | "invalid";

export type ReadDone = { readonly context: number; readonly index: number } | { readonly context: number; readonly refused: Refusal };

/**
 * What the driver must do, in this order: start `write` (if none is in flight the core hands out one; the driver calls
 * `persisted(number)` when it is durable), send `messages` (they may leave at once: those that had to wait for durability were
 * held back inside), apply entries up to `commit`, answer `reads`, note `role`.
 */
/** Whom a node is linked with: by the newest membership, at `index`, or by one that may yet take its place (membership.ts, M4). */
export type Circle = { readonly index: number; readonly ids: ReadonlySet<NodeId>; readonly places: ReadonlyMap<NodeId, string> };

export type Ready = {
  readonly write: LogWrite | undefined;
  readonly messages: readonly { readonly to: NodeId; readonly message: Message }[];
  /** Highest index that may be applied now; entries are fetched by `entriesToApply`. */
  readonly commit: number;
  readonly reads: readonly ReadDone[];
  readonly role: { readonly role: Role; readonly term: number; readonly leader: NodeId | undefined } | undefined;
  /** Peers whose next entries are gone from the log, and who therefore need a snapshot. One may be named again while it gets one. */
  readonly snapshots: readonly NodeId[];
  /** If it is another one than at the last take. */
  readonly circle: Circle | undefined;
};

/**
 * One peer as its leader sees it. In "snapshot" it waits for one and gets no entries. A "regressed" voter lost entries that it had
 * acknowledged: nothing is sent to it any more.
 */
export type PeerStatus = {
  readonly id: NodeId;
  readonly match: number;
  readonly next: number;
  readonly state: "probe" | "replicate" | "snapshot" | "regressed";
  readonly inFlight: number;
  /** Heard within an election timeout. */
  readonly recentActive: boolean;
  /** A heartbeat that was sent since it is what it is, a voter or a learner: what is heard of it is not of an earlier life alone. */
  readonly hasAnswered: boolean;
  readonly learner: boolean;
};

export type RaftStatus = {
  readonly id: NodeId;
  readonly role: Role;
  readonly term: number;
  readonly vote: NodeId;
  readonly leader: NodeId | undefined;
  readonly commit: number;
  readonly applied: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly durableIndex: number;
  readonly transferringTo: NodeId | undefined;
  /** Empty unless this node leads. */
  readonly peers: readonly PeerStatus[];
  /** Messages thrown away because what they claim cannot be. */
  readonly invalidMessages: number;
};
