// Owns: the links of one node to all its peers: which are up, where a message goes, the sweep that finds dead ones.
// What a message means and whom to trust with what is decided by those who send and receive (cluster, dispatch).
// (N1) A message is delivered at most once; order is kept within a lane of one connection, and nothing else is promised.
// (N2) `up` and `down` of a peer alternate. Up means that both lanes to it are open, so that this node can send.
// (N3) After `close` no event is delivered any more.

import { assert } from "../base/errors.ts";
import { limits } from "../limits.ts";
import type { System, Timer } from "../system.ts";
import type { Address } from "../base/address.ts";
import type { PeerAddress } from "./address.ts";
import type { TlsMaterial } from "./certificates.ts";
import { isLinkName, lanes, whyRefuseCluster } from "./identity.ts";
import type { Lane, LinkIdentity } from "./identity.ts";
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
}

export type LinksOptions = {
  readonly identity: LinkIdentity;
  /** The members of the cluster; this node itself may be among them. */
  readonly peers: readonly PeerAddress[];
  readonly listen: Address;
  /** Absent only on loopback, which the configuration sees to. */
  readonly tls?: TlsMaterial | undefined;
  readonly system: System;
  readonly events: LinkEvents;
  readonly log: LinkLog;
};

export type LinkStats = { readonly outbound: readonly OutboundStats[]; readonly inbound: InboundStats };

type Peer = { readonly lanes: Record<Lane, Outbound>; up: boolean };

export class Links {
  private readonly context: LinkContext;
  private readonly listenAt: Address;
  private readonly events: LinkEvents;
  private readonly peers = new Map<string, Peer>();
  private readonly acceptor: Acceptor;
  private sweeping: Timer | undefined;
  private closing: Promise<void> | undefined;

  constructor({ identity, peers, listen, tls, system, events, log }: LinksOptions) {
    assert(isLinkName(identity.cluster) && isLinkName(identity.node), "cluster and node need names that fit into headers and certificates");
    this.context = { identity, seen: new Map(), tls, system, log };
    this.listenAt = listen;
    this.events = events;
    const hooks: OutboundHooks = {
      opened: (outbound, answer) => this.opened(outbound, answer),
      lost: (outbound) => this.lost(outbound.peer.id),
      refused: (outbound, reason) => this.refused(outbound, reason),
    };
    for (const peer of peers) {
      if (peer.id === identity.node) continue;
      const control = new Outbound(this.context, peer, "control", hooks);
      const bulk = new Outbound(this.context, peer, "bulk", hooks);
      this.peers.set(peer.id, { lanes: { control, bulk }, up: false });
    }
    this.acceptor = new Acceptor(this.context, new Set(this.peers.keys()), {
      accepted: ({ node, incarnation }) => this.meet(node, incarnation),
      frame: (from, lane, message) => {
        if (this.closing === undefined) this.events.frame(from, lane, message);
      },
    });
  }

  /** Listens, then begins to dial. Rejects with PawlError("config") when the address cannot be used. */
  async start(): Promise<void> {
    await this.acceptor.listen(this.listenAt);
    if (this.closing !== undefined) return;
    this.sweepLater();
    for (const peer of this.peers.values()) for (const lane of lanes) peer.lanes[lane].dial();
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
    this.meet(identity.node, identity.incarnation);
    const peer = this.peers.get(outbound.peer.id);
    if (peer === undefined || peer.up || !lanes.every((lane) => peer.lanes[lane].identity !== undefined)) return;
    peer.up = true;
    this.events.up(identity.node, identity);
  }

  private lost(id: string): void {
    const peer = this.peers.get(id);
    if (peer === undefined || !peer.up || this.closing !== undefined) return;
    peer.up = false;
    this.events.down(id);
  }

  private refused(outbound: Outbound, reason: string): void {
    if (this.closing !== undefined) return;
    this.context.log.warn({ peer: outbound.peer.id, lane: outbound.lane, reason }, "link refused");
    this.events.refused(outbound.peer.id, reason);
  }

  /** A peer that was just met, in either direction, can be dialled without further waiting. */
  private meet(node: string, incarnation: number): void {
    if (this.closing !== undefined) return;
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
