// Owns: one replica behind a port: turns the face's requests into inputs of the replica and its outcomes into messages. Runs in the core
// thread of a real node; assemble.ts puts the replica together, src/core.ts gives it disk, links and a port.

import { assert, BugError, messageOf, PawlError } from "../base/errors.ts";
import type { Change, ClusterView, MembershipRequest } from "../jobs/views.ts";
import { limits } from "../limits.ts";
import type { NodeRegistry } from "../jobs/nodes.ts";
import type { System } from "../system.ts";
import { formatAddress } from "../base/address.ts";
import { readAddress } from "../net/address.ts";
import type { PeerAddress } from "../net/address.ts";
import type { Circle } from "../raft/types.ts";
import type { LinkIdentity } from "../net/identity.ts";
import { WorkerSession } from "../worker/session.ts";
import { assemble } from "./assemble.ts";
import type { Assembled, AssembleOptions } from "./assemble.ts";
import { Backups } from "./backups.ts";
import { memberViews } from "./clusterview.ts";
import { sweepKeys } from "./keysweep.ts";
import { coreMetrics } from "./metrics.ts";
import { decodePlace } from "./members.ts";
import { usualPace } from "./pace.ts";
import type { Answering, Order } from "./proposals.ts";
import { bytesOf, sendable } from "./port.ts";
import type { ChangeOutcome, CoreOptions, CoreToFace, FaceToCore } from "./port.ts";
import { timed } from "./timings.ts";
import type { Timings } from "./timings.ts";
import type { FoundStored } from "./stored.ts";
import type { Voter } from "./voter.ts";

export type HostParts = Pick<AssembleOptions, "system" | "disk" | "transport"> & {
  readonly options: CoreOptions;
  readonly post: (message: CoreToFace) => void;
  readonly clusterIdKnown: (id: string) => void;
  /** Who is linked with from now on, by the log's entry at `index`. */
  readonly setPeers: (peers: readonly PeerAddress[], index: number) => void;
  /** Listens for the other nodes and dials them. Rejects with PawlError("config") when its address cannot be used. */
  readonly openLinks: () => Promise<void>;
  readonly closeLinks: () => Promise<void>;
  readonly timings: Timings;
  /** What the thread tells of itself beside what the core does. */
  readonly threadMetrics: () => string;
};

/** Replicas that one process can be in turn. */
const REPLACEMENTS_MAX = 2 ** 20;

type Outgoing = { readonly id: number; readonly peer: string };

export class Host {
  private readonly parts: HostParts;
  private readonly system: System;
  private assembled: Assembled | undefined;
  /** What hears the other nodes while a state is loaded, and who belongs to the cluster as far as that state tells. */
  private voter: Voter | undefined;
  private nodes: NodeRegistry | undefined;
  private linked = false;
  private session: WorkerSession | undefined;
  private outcomes: ChangeOutcome[] = [];
  private readonly peers = new Map<string, LinkIdentity>();
  private readonly logAsks = new Map<number, Outgoing>();
  private lastAsk = 0;
  private clusterId = "";
  private committedAtOpening = 0;
  private backups: Backups | undefined;
  private standing = "";
  private ended = false;
  private eventsWanted = false;
  private replacements = 0;
  /** Under way while a snapshot takes the place of the replica. */
  private replacing: Promise<void> = Promise.resolve();

  constructor(parts: HostParts) {
    this.parts = parts;
    this.system = parts.system;
  }

  /** Opens what is stored and begins to take part. Rejects when the stored data fails its checks. */
  async open(): Promise<void> {
    const { options, post } = this.parts;
    const assembled = await this.assemble();
    this.session = new WorkerSession(
      { node: options.node, incarnation: options.incarnation, slots: options.slots, tags: options.tags },
      assembled.replica.state,
      {
        toLeader: (message) => this.assembled?.replica.toLeader(message) ?? false,
        start: (batch) => post({ kind: "start", batch }),
        stop: (batch) => post({ kind: "stop_attempts", batch }),
      },
    );
    this.begin(assembled, this.session);
    this.sweepKeysLater();
    post({ kind: "opened" });
    this.noteStanding();
  }

  private assemble(): Promise<Assembled> {
    const { options, system, disk, transport } = this.parts;
    return assemble({
      id: options.node,
      birth: options.incarnation * REPLACEMENTS_MAX + this.replacements++,
      founders: options.members.map(({ id, host, port, api }) => ({ id, peer: formatAddress({ host, port }), api })),
      joining: options.joining,
      system,
      disk,
      transport,
      capacity: { jobsMax: limits.jobsMax, liveMax: limits.liveExecutionsMax },
      logBounds: { keepBytes: options.logKeepBytes, maxBytes: options.logKeepBytes * limits.logKeepForSlowTimes },
      pace: usualPace,
      retentionDays: options.retentionDays,
      timings: this.parts.timings,
      votes: (voter, found) => this.votes(voter, found),
      capabilitiesOf: (id) => this.peers.get(id)?.capabilities,
      events: {
        fatal: (error) => this.fail(error),
        role: () => this.noteStanding(),
        members: (at) => this.membersAre(at),
        events: () => this.applied(),
        alarm: (message) => this.log("warn", message),
        replaced: () => {
          this.replacing = this.replace().catch((error: unknown) => this.fail(error instanceof Error ? error : new Error(String(error))));
        },
      },
    });
  }

  /** Elections need not wait for the state to be loaded. */
  private async votes(voter: Voter, { state }: FoundStored): Promise<void> {
    this.voter = voter;
    this.nodes = state.nodes;
    if (!this.linked) await this.parts.openLinks();
    this.linked = true;
    this.log("info", `votes from here on; loads the state of index ${state.appliedIndex}`);
  }

  private begin(assembled: Assembled, session: WorkerSession): void {
    this.assembled = assembled;
    this.backups = this.backupsOf(assembled);
    this.committedAtOpening = assembled.replica.raft.status().commit;
    this.noteClusterId();
    assembled.replica.start(session);
    this.voter = undefined;
  }

  /** A snapshot took the place of state and log: another replica goes on from there. Running work and links go on meanwhile. */
  private async replace(): Promise<void> {
    const old = this.core;
    this.assembled = undefined;
    this.standing = "";
    this.parts.post({ kind: "standing", ready: false, reason: "taking up a snapshot", leader: undefined });
    await this.endBackups();
    await old.close();
    const assembled = await this.assemble();
    const { session } = this;
    assert(session !== undefined, "a session is there from the first opening on");
    session.stateReplaced(assembled.replica.state);
    this.begin(assembled, session);
    this.noteStanding();
    this.log("info", `took up a snapshot at index ${assembled.replica.state.appliedIndex}`);
  }

  /** Idempotency-Keys that have expired take room on this node until they are swept; nobody is answered by them (H11). */
  private sweepKeysLater(afterMs: number = limits.keySweepMs): void {
    this.system.after(afterMs, () => {
      if (this.ended) return;
      const { assembled } = this;
      if (assembled === undefined) return this.sweepKeysLater();
      sweepKeys(assembled.replica.state, assembled.cold, (run) => this.system.soon(run)).then(
        (isMore) => this.sweepKeysLater(isMore ? limits.keySweepMoreMs : limits.keySweepMs),
        (error: unknown) => (this.assembled === assembled ? this.fail(error as Error) : this.sweepKeysLater()),
      );
    });
  }

  private get core(): Assembled {
    assert(this.assembled !== undefined, "the core is not open");
    return this.assembled;
  }

  private log(level: "info" | "warn" | "error", message: string, fields: Record<string, unknown> = {}): void {
    this.parts.post({ kind: "log", level, message, fields });
  }

  fail(error: Error): void {
    if (this.ended) return;
    this.ended = true;
    const isBug = error instanceof BugError || !(error instanceof PawlError);
    const sent =
      error instanceof PawlError
        ? sendable(error)
        : { code: "io" as const, message: error.stack ?? messageOf(error), outcome: "unknown" as const };
    this.parts.post({ kind: "failed", error: sent, isBug });
  }

  private applied(): void {
    this.noteClusterId();
    if (this.eventsWanted) this.parts.post({ kind: "events" });
    this.noteStanding();
  }

  /** A state that was carried into another cluster has the id of the one before until all is applied that was committed at the opening. */
  private noteClusterId(): void {
    const { clusterId, appliedIndex } = this.core.replica.state;
    if (clusterId === "" || clusterId === this.clusterId || appliedIndex < this.committedAtOpening) return;
    this.clusterId = clusterId;
    this.parts.clusterIdKnown(clusterId);
  }

  /** Links go by the log's membership, and by this node's own settings only for as long as nobody changed what they name (index 0). */
  private membersAre({ index, ids, places }: Circle): void {
    const own = new Map(this.parts.options.members.map((member) => [member.id, member]));
    const peers: PeerAddress[] = [];
    for (const [id, text] of places) {
      const told = readAddress(decodePlace(text)?.peer);
      const address = index === 0 ? (own.get(id) ?? told) : (told ?? own.get(id));
      if (address) peers.push({ id, host: address.host, port: address.port });
    }
    // A node that waits to be told the members asks those of its settings.
    if (ids.size > 0) this.parts.setPeers(peers, index);
  }

  /** Ready: a leader is known and this node has applied all that was committed when it learned of it. */
  private noteStanding(): void {
    if (!this.assembled) return;
    const { replica } = this.assembled;
    const { leader, commit, applied, role, term } = replica.raft.status();
    const ready = leader !== undefined && this.clusterId !== "" && applied >= commit;
    const reason = leader === undefined ? "no leader is known" : ready ? "" : "catching up with the log";
    const now = `${ready}/${leader}/${role}/${term}`;
    if (now === this.standing) return;
    this.standing = now;
    this.parts.post({ kind: "standing", ready, reason, leader });
  }

  // From the links.

  frame(from: string, message: readonly unknown[]): void {
    if (message[0] === "logs?")
      return this.parts.post({ kind: "find_logs", peer: from, id: Number(message[1]), executionId: String(message[2]) });
    if (message[0] === "logs!") return this.logsCame(from, message);
    if (this.assembled) this.assembled.replica.receive(from, message);
    else this.voter?.receive(from, message);
  }

  private logsCame(from: string, message: readonly unknown[]): void {
    const asked = this.logAsks.get(Number(message[1]));
    if (!asked || asked.peer !== from) return;
    this.logAsks.delete(Number(message[1]));
    const parts = typeof message[2] === "string" ? (JSON.parse(message[2]) as Extract<CoreToFace, { kind: "logs" }>["parts"]) : undefined;
    this.parts.post({ kind: "logs", id: asked.id, parts });
  }

  /** The newest incarnation of a node that the log tells of: an older one is a wiped or copied data directory. */
  knownIncarnation(node: string): number | undefined {
    return this.nodes?.find(node)?.incarnation;
  }

  linkUp(peer: string, identity: LinkIdentity): void {
    this.peers.set(peer, identity);
    this.log("info", `linked with ${peer}`);
  }

  linkDown(peer: string): void {
    this.peers.delete(peer);
    for (const [id, asked] of this.logAsks) {
      if (asked.peer !== peer) continue;
      this.logAsks.delete(id);
      this.parts.post({ kind: "logs", id: asked.id, parts: undefined });
    }
    if (this.assembled) this.assembled.replica.linkLost(peer);
    else this.voter?.linkLost(peer);
    this.log("warn", `lost the link to ${peer}`);
  }

  // From the face.

  receive(message: FaceToCore): void {
    switch (message.kind) {
      case "changes":
        for (const { id, text, key } of message.changes) this.submit(JSON.parse(text) as Change, key, bytesOf(text), this.answering(id));
        return;
      case "bulk": {
        const { id, batch, key } = message;
        return this.submit({ kind: "create_many", batch }, key, batch.length, this.answering(id));
      }
      case "query":
        return void this.answer(message);
      case "membership":
        return void this.settle(message.id, this.changeMembership(message.request));
      case "transfer":
        return void this.settle(message.id, this.transfer(message.to));
      case "backup_begin":
      case "backup_next":
        return this.copyOn(message.kind, message.id);
      case "backup_end":
        return this.backups?.end(message.id);
      case "results":
        this.session?.results(message.batch, this.system.monotonicMs());
        return this.assembled?.replica.wake();
      case "metrics":
        return this.sendMetrics(message.id);
      case "logs":
        return this.askLogs(message.id, message.node, message.executionId);
      case "logs_found":
        return void this.parts.transport.send(message.peer, "control", [
          "logs!",
          message.id,
          message.parts ? JSON.stringify(message.parts) : null,
        ]);
      case "want_events":
        this.eventsWanted = message.wanted;
        return message.wanted ? this.parts.post({ kind: "events" }) : undefined;
      case "ask_alive":
        return this.parts.post({ kind: "alive" });
      case "hand_over":
        return this.assembled?.replica.leave();
      case "stop":
        return void this.stop();
    }
  }

  private submit(...[change, key, bytes, answer]: Parameters<Assembled["replica"]["submit"]>): void {
    if (this.assembled) this.assembled.replica.submit(change, key, bytes, answer);
    else answer(replaced());
  }

  private answering(id: number): Answering {
    return (outcome) => this.changed(outcome instanceof PawlError ? { id, error: sendable(outcome) } : { id, reply: outcome });
  }

  /** Outcomes of one turn leave as one message. */
  private changed(outcome: ChangeOutcome): void {
    this.outcomes.push(outcome);
    if (this.outcomes.length > 1) return;
    queueMicrotask(() => {
      const outcomes = this.outcomes;
      this.outcomes = [];
      this.parts.post({ kind: "changed", outcomes });
    });
  }

  private async answer({ id, query, consistency }: Extract<FaceToCore, { kind: "query" }>): Promise<void> {
    const { assembled } = this;
    try {
      if (assembled === undefined) throw replaced();
      const { replica, queries } = assembled;
      if (consistency === "linearizable" && query.kind !== "events") await this.readPoint();
      const ageMs = replica.ageMs();
      const answer = query.kind === "cluster" ? { kind: "cluster" as const, cluster: this.cluster() } : await queries.answer(query);
      this.parts.post({ kind: "answered", id, answered: { answer, appliedIndex: replica.state.appliedIndex, ageMs } });
    } catch (error) {
      const refusal = this.assembled === assembled ? error : replaced();
      if (!(refusal instanceof PawlError) || refusal.code === "quarantined")
        return this.fail(refusal instanceof Error ? refusal : new Error(String(refusal)));
      this.parts.post({ kind: "answered", id, error: sendable(refusal) });
    }
  }

  /** Answers within limits.proposalTimeoutMs; what takes longer goes on, and its outcome is then unknown to the caller. */
  private async settle(id: number, change: Promise<void>): Promise<void> {
    const late = new PawlError("timeout", "not done in time; `pawl cluster status` shows what became of it", { outcome: "unknown" });
    let cancel = (): void => undefined;
    const timeout = new Promise<void>((_, reject) => {
      const timer = this.system.after(limits.proposalTimeoutMs, () => reject(late));
      cancel = () => timer.cancel();
    });
    try {
      await Promise.race([change, timeout]);
      this.parts.post({ kind: "cluster_changed", id });
    } catch (error) {
      if (!(error instanceof PawlError)) return this.fail(error instanceof Error ? error : new Error(String(error)));
      this.parts.post({ kind: "cluster_changed", id, error: sendable(error) });
    } finally {
      cancel();
    }
  }

  private changeMembership(request: MembershipRequest): Promise<void> {
    return this.order({ kind: "membership", request });
  }

  private transfer(to: string | undefined): Promise<void> {
    return this.order({ kind: "transfer", to });
  }

  private order(order: Order): Promise<void> {
    return new Promise((resolve, reject) => {
      this.submit(order, undefined, 0, (outcome) => (outcome instanceof PawlError ? reject(outcome) : resolve()));
    });
  }

  private readPoint(): Promise<void> {
    return new Promise((resolve, reject) => {
      const refusal = new PawlError("no_quorum", "no majority confirmed the leader in time; ask again, or read with ?consistency=stale");
      const timer = this.system.after(limits.noQuorumPatienceMs, () => reject(refusal));
      this.core.replica.readPoint((index) => {
        timer.cancel();
        if (index === undefined) reject(refusal);
        else resolve();
      });
    });
  }

  private copyOn(kind: "backup_begin" | "backup_next", id: number): void {
    if (this.backups === undefined) return this.parts.post({ kind: "backup_chunk", id, error: sendable(replaced()) });
    if (kind === "backup_begin") this.backups.begin(id);
    else this.backups.next(id);
  }

  private async endBackups(): Promise<void> {
    const { backups } = this;
    this.backups = undefined;
    await backups?.stop();
  }

  private backupsOf({ store, checkpointer }: Assembled): Backups {
    const { options, post } = this.parts;
    return new Backups({
      name: `backup.${options.node}.${options.incarnation}`,
      store,
      checkpointed: () => checkpointer.reached(),
      send: (id, bytes, error) => post({ kind: "backup_chunk", id, bytes, ...(error ? { error: sendable(error) } : {}) }),
      failed: (error) => this.fail(error),
      after: (delayMs, run) => this.system.after(delayMs, run),
    });
  }

  private askLogs(id: number, node: string, executionId: string): void {
    const ask = ++this.lastAsk;
    if (!this.parts.transport.send(node, "control", ["logs?", ask, executionId]))
      return this.parts.post({ kind: "logs", id, parts: undefined });
    this.logAsks.set(ask, { id, peer: node });
  }

  private sendMetrics(id: number): void {
    const { post, timings, threadMetrics } = this.parts;
    timed(timings.scrape, this.system, () => {
      const own = this.assembled ? coreMetrics(this.assembled) : "";
      post({ kind: "metrics", id, text: own + threadMetrics() });
    });
  }

  private cluster(): ClusterView {
    const { options } = this.parts;
    const { replica } = this.core;
    const status = replica.raft.status();
    const members = memberViews({
      self: options.node,
      version: options.version,
      status,
      membership: replica.raft.membership().membership,
      versionOf: (id) => this.peers.get(id)?.version,
      skewMs: (id) => replica.clock.skewMs(id),
    });
    return {
      clusterId: this.clusterId,
      name: options.cluster,
      term: status.term,
      leaderId: status.leader,
      commitIndex: status.commit,
      members,
    };
  }

  /** There is room for snapshots on the link to a peer. */
  snapshotRoom(): void {
    this.assembled?.replica.snapshots.sender.room();
    this.assembled?.replica.wake();
  }

  /** Lets somebody else take over, and the results of this node reach the log, for a bounded time; then flushes and ends. */
  private async stop(): Promise<void> {
    await this.replacing;
    const { replica, checkpointer } = this.core;
    const untilMs = this.system.monotonicMs() + limits.resultResendMs;
    while ((replica.isNeeded || (this.session?.unsettled ?? 0) > 0) && this.system.monotonicMs() < untilMs) {
      await new Promise<void>((resolve) => this.system.after(limits.heartbeatMs / 2, resolve));
    }
    replica.stop();
    await this.endBackups();
    try {
      await checkpointer.settle();
    } catch (error) {
      return this.fail(error instanceof Error ? error : new Error(messageOf(error)));
    }
    this.ended = true;
    await this.parts.closeLinks();
    await this.core.close();
    this.parts.post({ kind: "stopped" });
  }
}

function replaced(): PawlError {
  return new PawlError("unavailable", "this node is taking up a snapshot of the state; ask again in a moment, or another node");
}
