// Owns: the links of one node to all its peers: which are up, where a message goes, the sweep that finds dead ones.
// What a message means and whom to trust with what is decided by those who send and receive (cluster, dispatch).
// (N1) A message is delivered at most once; order is kept within a lane of one connection, and nothing else is promised.
// (N2) `up` and `down` of a peer alternate. Up means that control and bulk to it are open, so that this node can send.
// (N3) After `close` no event is delivered any more.
// (N4) Who is a peer is told from above (`setPeers`) and changes while links stand. Beside them are guests: nodes that go by a newer
//      membership than this node does (identity.ts I3), until this node goes by one as new.
// (N5) The highest incarnation met is kept for each peer, and for those removed while there is room: they stay known as removed.

import { assert } from "../base/errors.ts";
import { limits } from "../limits.ts";
import type { System, Timer } from "../system.ts";
import type { Address } from "../base/address.ts";
import type { PeerAddress } from "./address.ts";
import type { TlsMaterial } from "./certificates.ts";
import { isLinkName, knowsMore, lanes, noMembership, whyRefuseCluster } from "./identity.ts";
import type { Hello, Lane, LinkIdentity } from "./identity.ts";
import { Acceptor } from "./inbound.ts";
import type { InboundStats } from "./inbound.ts";
import { Outbound } from "./outbound.ts";
import type { LinkContext, LinkLog, OutboundHooks, OutboundStats } from "./outbound.ts";

export interface LinkEvents {
  /**
   * A message of `from`, whose identity was checked; its elements were not, beyond their types (frame.ts F2, F3: bytes may be kept).
   * Throwing a PawlError closes the connection that brought it; anything else thrown is a bug and ends the process.
   */
  frame(from: string, lane: Lane, message: readonly unknown[]): void;
  up(peer: string, identity: LinkIdentity): void;
  down(peer: string): void;
  /** The peer did not accept this node, or was not who it should be; tried again after a while. */
  refused(peer: string, reason: string): void;
  /** After a `send` was refused: there is room on this lane again, or at last a connection. */
  drained(peer: string, lane: Lane): void;
}

export type LinksOptions = {
  readonly identity: LinkIdentity;
  /** The members of the cluster, or whom a joining node is to ask; this node itself may be among them. */
  readonly peers: readonly PeerAddress[];
  /** The newest incarnation of a node that outlived this node's restarts; undefined when it is unheard of. */
  readonly knownIncarnation: (node: string) => number | undefined;
  readonly listen: Address;
  /** Absent only on loopback, which the configuration sees to. */
  readonly tls?: TlsMaterial | undefined;
  readonly system: System;
  readonly events: LinkEvents;
  readonly log: LinkLog;
};

export type LinkStats = { readonly outbound: readonly OutboundStats[]; readonly inbound: InboundStats };

/** The lanes whose connections always stand. */
const steadyLanes = ["control", "bulk"] as const satisfies readonly Lane[];

type Peer = {
  readonly lanes: Readonly<Record<Lane, Outbound>>;
  /** The membership that a guest goes by; undefined for a member (N4). */
  guestOf: number | undefined;
  up: boolean;
};

export class Links {
  private readonly context: LinkContext;
  private readonly listenAt: Address;
  private readonly events: LinkEvents;
  private readonly hooks: OutboundHooks;
  private readonly peers = new Map<string, Peer>();
  private readonly newest = new Map<string, number>();
  private readonly acceptor: Acceptor;
  private sweeping: Timer | undefined;
  private started = false;
  private closing: Promise<void> | undefined;

  constructor({ identity, peers, knownIncarnation, listen, tls, system, events, log }: LinksOptions) {
    assert(isLinkName(identity.cluster) && isLinkName(identity.node), "cluster and node need names that fit into headers and certificates");
    const known = {
      isMember: (id: string) => this.isMember(id),
      newest: (id: string) => higher(this.newest.get(id), knownIncarnation(id)),
      connected: (id: string) => this.acceptor.connected(id) ?? this.peers.get(id)?.lanes.control.identity,
    };
    const address = peers.find(({ id }) => id === identity.node) ?? listen;
    this.context = { identity, address, known, tls, system, log };
    this.listenAt = listen;
    this.events = events;
    this.hooks = {
      opened: (outbound, answer) => this.opened(outbound, answer),
      lost: (outbound) => this.lost(outbound),
      refused: ({ peer }, reason) => {
        if (this.closing === undefined) events.refused(peer.id, reason);
      },
      drained: ({ peer, lane }) => {
        if (this.closing === undefined) events.drained(peer.id, lane);
      },
    };
    for (const peer of peers) if (peer.id !== identity.node) this.add(peer, undefined);
    this.acceptor = new Acceptor(this.context, {
      accepted: (hello) => this.welcome(hello),
      frame: (from, lane, message) => {
        if (this.closing === undefined) this.events.frame(from, lane, message);
      },
    });
  }

  /** Listens, then begins to dial. Rejects with PawlError("config") when the address cannot be used. */
  async start(): Promise<void> {
    await this.acceptor.listen(this.listenAt);
    if (this.closing !== undefined) return;
    this.started = true;
    this.sweepLater();
    for (const peer of this.peers.values()) for (const lane of lanes) peer.lanes[lane].start();
  }

  /**
   * The members are these from now on, by the log's entry at `index` (0: by the settings). New ones are dialled, those at another
   * address are dialled anew; to those that are gone what is queued is still sent, and nothing is heard of them any more.
   */
  setPeers(peers: readonly PeerAddress[], index: number): void {
    if (this.closing !== undefined) return;
    const { identity } = this.context;
    const own = { ...identity, membership: index };
    this.context.identity = own;
    const wanted = new Map(peers.filter(({ id }) => id !== identity.node).map((peer) => [peer.id, peer]));
    for (const [id, known] of [...this.peers]) {
      const peer = wanted.get(id);
      const stays = peer === undefined ? (known.guestOf ?? index) > index : isSame(peer, known.lanes.control.peer);
      if (!stays) this.remove(id);
      else if (peer !== undefined) known.guestOf = undefined;
    }
    for (const peer of wanted.values()) if (!this.peers.has(peer.id)) this.add(peer, undefined);
    this.acceptor.drop((other) => (this.isMember(other.node) || knowsMore(own, other) ? undefined : "removed_node"));
    this.forgetOldest();
  }

  private isMember(id: string): boolean {
    const peer = this.peers.get(id);
    return peer !== undefined && peer.guestOf === undefined;
  }

  private add(peer: PeerAddress, guestOf: number | undefined): void {
    const outbound = (lane: Lane): Outbound => new Outbound(this.context, peer, lane, this.hooks);
    const added = { lanes: { control: outbound("control"), bulk: outbound("bulk"), snapshot: outbound("snapshot") }, guestOf, up: false };
    this.peers.set(peer.id, added);
    if (this.started) for (const lane of lanes) added.lanes[lane].start();
  }

  private remove(id: string): void {
    const peer = this.peers.get(id);
    if (peer === undefined) return;
    this.down(id, peer);
    this.peers.delete(id);
    for (const lane of lanes) void peer.lanes[lane].close();
  }

  /** (N5) */
  private forgetOldest(): void {
    for (const id of this.newest.keys()) {
      if (this.newest.size <= 2 * limits.nodesMax) return;
      if (!this.peers.has(id)) this.newest.delete(id);
    }
  }

  /**
   * Sends a message: a positional array of numbers, texts, booleans, nulls, Uint8Arrays and such arrays (undefined arrives as null).
   * False when it was dropped: `to` is not connected, or limits.linkQueueMaxBytes wait already. True promises nothing (N1).
   */
  send(to: string, lane: Lane, message: readonly unknown[]): boolean {
    return this.peers.get(to)?.lanes[lane].send(message) ?? false;
  }

  /** Once the cluster is founded or joined. Links to nodes of another cluster id are dropped. */
  setClusterId(clusterId: string): void {
    const { identity } = this.context;
    assert(identity.clusterId === "" || identity.clusterId === clusterId, "a node's cluster id never changes");
    const own = { ...identity, clusterId };
    this.context.identity = own;
    this.acceptor.drop((other) => whyRefuseCluster(own, other));
    for (const peer of this.peers.values()) {
      for (const lane of lanes) {
        const other = peer.lanes[lane].identity;
        if (other !== undefined && whyRefuseCluster(own, other) !== undefined) peer.lanes[lane].drop("the peer is of another cluster");
      }
    }
  }

  /** Sends what is queued (for at most limits.linkCloseMaxMs), then closes everything. */
  close(): Promise<void> {
    this.closing ??= this.closeAll();
    return this.closing;
  }

  private async closeAll(): Promise<void> {
    this.sweeping?.cancel();
    const outbounds = [...this.peers.values()].flatMap((peer) => lanes.map((lane) => peer.lanes[lane]));
    await Promise.all(outbounds.map((outbound) => outbound.close()));
    await this.acceptor.close();
  }

  stats(): LinkStats {
    const outbound = [...this.peers.values()].flatMap((peer) => lanes.map((lane) => peer.lanes[lane].stats()));
    return { outbound, inbound: this.acceptor.stats() };
  }

  private opened(outbound: Outbound, identity: LinkIdentity): void {
    if (this.closing !== undefined) return;
    const own = this.context.identity;
    // One that joins knows no cluster id: it takes that of a member whose address it was given.
    if (own.clusterId === "" && own.membership === noMembership && identity.clusterId !== "") this.setClusterId(identity.clusterId);
    this.meet(identity);
    const peer = this.peers.get(outbound.peer.id);
    if (peer === undefined || peer.up || !steadyLanes.every((lane) => peer.lanes[lane].identity !== undefined)) return;
    peer.up = true;
    this.events.up(identity.node, identity);
  }

  private lost({ peer: { id }, lane }: Outbound): void {
    const peer = this.peers.get(id);
    if (peer !== undefined && steadyLanes.some((steady) => steady === lane)) this.down(id, peer);
  }

  private down(id: string, peer: Peer): void {
    if (!peer.up || this.closing !== undefined) return;
    peer.up = false;
    this.events.down(id);
  }

  /** A node was let in; what it goes by may make it a guest (N4). */
  private welcome({ identity, address }: Hello): void {
    if (this.closing !== undefined) return;
    const peer = this.peers.get(identity.node);
    if (peer === undefined && this.peers.size < 2 * limits.nodesMax) this.add({ id: identity.node, ...address }, identity.membership);
    else if (peer?.guestOf !== undefined) peer.guestOf = identity.membership;
    this.meet(identity);
  }

  /** A peer that was just met, in either direction, can be dialled without further waiting. */
  private meet({ node, incarnation }: LinkIdentity): void {
    this.newest.set(node, incarnation);
    for (const lane of lanes) this.peers.get(node)?.lanes[lane].meet(incarnation);
  }

  private sweepLater(): void {
    this.sweeping = this.context.system.after(limits.linkSilenceMaxMs / 3, () => {
      for (const peer of this.peers.values()) for (const lane of lanes) peer.lanes[lane].sweep();
      this.acceptor.sweep();
      this.sweepLater();
    });
  }
}

function higher(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
}

function isSame(a: PeerAddress, b: PeerAddress): boolean {
  return a.host === b.host && a.port === b.port;
}
