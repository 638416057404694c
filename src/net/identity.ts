// Owns: who stands at the other end of a link, and the one place that decides whether to believe it. Pure decisions; the
// connections are outbound.ts and inbound.ts.
// (I1) A certificate names its node by exactly one URI, compared as a whole text: never a common name, never a prefix.
// (I2) Only an accepted handshake raises the highest incarnation seen of a node; a refused one leaves no trace but a count.
// (I3) A node that is no member here is believed only when it is of the same cluster id and goes by a newer membership than this node
//      does: else a node that was away while members were added could not be brought up to date by them, and one that joins by nobody.
// (I4) Each start of a node has an incarnation of its own, so two processes with one incarnation run on copies of one directory. The
//      births that they drew tell them apart: while the first is connected, the second is refused.

import type { IncomingHttpHeaders } from "node:http2";
import { formatAddress } from "../base/address.ts";
import type { Address } from "../base/address.ts";
import { readAddress } from "./address.ts";

/** A connection of its own for each lane, peer and direction, so that data never delay heartbeats, nor a snapshot the log. */
export const lanes = ["control", "bulk", "snapshot"] as const;
export type Lane = (typeof lanes)[number];

/** What a node can read, for deciding when a newer form may be written: the highest form of the state and the highest kind of entry. */
export type Capabilities = { readonly stateVersion: number; readonly entryKinds: number };

export type LinkIdentity = {
  /** Name of the cluster, from the configuration. */
  readonly cluster: string;
  /** Id given when the cluster was founded; "" until it is known. */
  readonly clusterId: string;
  readonly node: string;
  /** Raised at each start of the node's process. */
  readonly incarnation: number;
  /** Drawn by the process when it starts; 16 hex digits. */
  readonly birth: string;
  readonly version: string;
  readonly capabilities: Capabilities;
  /** Index of the log entry whose membership it goes by: 0 for the one of its settings, noMembership while it joins. */
  readonly membership: number;
};

export const noMembership = -1;

/** What a connecting node says of itself, whom it means to reach, and where it is reached itself. */
export type Hello = { readonly identity: LinkIdentity; readonly lane: Lane; readonly to: string; readonly address: Address };

type Refusal = { readonly status: number; /** Completes "it says that". */ readonly says: string; readonly next: string };

/** Every reason to refuse a link: what the refused node logs of it, and what its operator can do. */
export const refusals = {
  bad_request: { status: 400, says: "the handshake makes no sense", next: "run versions of Pawl that know each other" },
  wrong_certificate: {
    status: 403,
    says: "this node's certificate is not in its name",
    next: "make one for this node's id with `pawl cluster certs`",
  },
  unknown_node: {
    status: 403,
    says: "this node is not a member",
    next: "add it with `pawl cluster add`, and start it with `pawl start --join` on an empty data directory",
  },
  removed_node: {
    status: 403,
    says: "this node was removed from the cluster",
    next: "stop it; to have it back, empty its data directory, start it with `pawl start --join` and add it with `pawl cluster add`",
  },
  own_node: { status: 403, says: "this node has its id", next: "give each node an id of its own" },
  wrong_cluster: { status: 409, says: "it belongs to another cluster", next: "correct cluster.name, or the address of this member" },
  wrong_cluster_id: {
    status: 409,
    says: "it belongs to another cluster of the same name",
    next: "correct the address of this member; to join its cluster, use `pawl start --join` on an empty data directory",
  },
  stale_incarnation: {
    status: 409,
    says: "this node has started more often than this data directory knows: the directory was wiped, or is an old copy",
    next: "end what else runs under this id; if data were lost, use `pawl resync`, or `pawl start --join` on an empty directory",
  },
  copied_directory: {
    status: 409,
    says: "another process is connected that was started from the same data directory or a copy of it",
    next: "end one of the two; a copied directory cannot be a second node: start that one with `pawl start --join` on an empty directory",
  },
  not_for_me: { status: 421, says: "another node was meant", next: "correct the address of this member" },
} as const satisfies Readonly<Record<string, Refusal>>;
export type RefusalReason = keyof typeof refusals;

/** What is known of the other nodes. */
export interface Acquaintances {
  isMember(node: string): boolean;
  /** The highest incarnation that was ever met; undefined for a node that is unheard of. */
  newest(node: string): number | undefined;
  /** What a node that is connected now said of itself, in either direction. */
  connected(node: string): LinkIdentity | undefined;
}

export const linkPath = "/pawl/link";
const BIRTH = /^[0-9a-f]{16}$/;
const NAME = /^[A-Za-z0-9._-]{1,128}$/;

/** Names of clusters and nodes go into headers and certificate URIs unescaped, so they hold none but these characters. */
export function isLinkName(value: string): boolean {
  return NAME.test(value);
}

/** The URI that a node's certificate must carry (I1). */
export function serverUri(cluster: string, node: string): string {
  return `spiffe://${cluster}/server/${node}`;
}

/**
 * The only URI among a certificate's subject alternative names, as Node prints them; undefined if there is none or a second one.
 * Node quotes entries with unusual characters; Pawl's certificates have none, so a quote anywhere means: not ours.
 */
export function certificateUri(subjectAltNames: string | undefined): string | undefined {
  if (subjectAltNames === undefined || subjectAltNames.includes('"')) return undefined;
  const uris = subjectAltNames.split(", ").filter((entry) => entry.startsWith("URI:"));
  return uris.length === 1 ? (uris[0] as string).slice("URI:".length) : undefined;
}

export function identityHeaders(identity: LinkIdentity): Record<string, string> {
  return {
    "pawl-cluster": identity.cluster,
    "pawl-cluster-id": identity.clusterId,
    "pawl-node": identity.node,
    "pawl-incarnation": String(identity.incarnation),
    "pawl-birth": identity.birth,
    "pawl-version": identity.version,
    "pawl-state-version": String(identity.capabilities.stateVersion),
    "pawl-entry-kinds": String(identity.capabilities.entryKinds),
    "pawl-membership": String(identity.membership),
  };
}

export function helloHeaders(hello: Hello): Record<string, string> {
  const { identity, lane, to, address } = hello;
  const own = { "pawl-lane": lane, "pawl-to": to, "pawl-address": formatAddress(address) };
  return { ":method": "POST", ":path": linkPath, ...identityHeaders(identity), ...own };
}

/** Undefined when a header is missing, repeated or malformed. */
export function readIdentity(headers: IncomingHttpHeaders): LinkIdentity | undefined {
  const cluster = text(headers["pawl-cluster"]);
  const clusterId = text(headers["pawl-cluster-id"]);
  const node = text(headers["pawl-node"]);
  const version = text(headers["pawl-version"]);
  if (cluster === undefined || clusterId === undefined || node === undefined || version === undefined) return undefined;
  const birth = text(headers["pawl-birth"]);
  if (!isLinkName(node) || birth === undefined || !BIRTH.test(birth)) return undefined;
  const incarnation = whole(headers["pawl-incarnation"]);
  const stateVersion = whole(headers["pawl-state-version"]);
  const entryKinds = whole(headers["pawl-entry-kinds"]);
  const membership = headers["pawl-membership"] === String(noMembership) ? noMembership : whole(headers["pawl-membership"]);
  if (incarnation === undefined || stateVersion === undefined || entryKinds === undefined || membership === undefined) return undefined;
  return { cluster, clusterId, node, incarnation, birth, version, capabilities: { stateVersion, entryKinds }, membership };
}

export function readHello(headers: IncomingHttpHeaders): Hello | undefined {
  const identity = readIdentity(headers);
  const lane = lanes.find((known) => known === headers["pawl-lane"]);
  const to = text(headers["pawl-to"]);
  const address = readAddress(headers["pawl-address"]);
  if (headers[":method"] !== "POST" || headers[":path"] !== linkPath) return undefined;
  if (identity === undefined || lane === undefined || to === undefined || address === undefined) return undefined;
  return { identity, lane, to, address };
}

function whole(value: string | string[] | undefined): number | undefined {
  const number = typeof value === "string" && /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
  return Number.isSafeInteger(number) ? number : undefined;
}

function text(value: string | string[] | undefined): string | undefined {
  return typeof value === "string" && value.length <= 128 ? value : undefined;
}

/**
 * Why the acceptor `own` refuses `hello`, or undefined if it takes it. `uri` is the certificate's URI, or "no_tls" on loopback
 * without TLS, where the machine itself is trusted.
 */
export function whyRefuseHello(
  own: LinkIdentity,
  hello: Hello | undefined,
  known: Acquaintances,
  uri: string | undefined | "no_tls",
): RefusalReason | undefined {
  if (hello === undefined) return "bad_request";
  const claimed = hello.identity;
  const cluster = whyRefuseCluster(own, claimed);
  if (cluster !== undefined) return cluster;
  if (claimed.node === own.node) return "own_node";
  if (hello.to !== own.node) return "not_for_me";
  const newest = known.newest(claimed.node);
  if (!known.isMember(claimed.node) && !knowsMore(own, claimed)) return newest === undefined ? "unknown_node" : "removed_node";
  if (uri !== "no_tls" && uri !== serverUri(own.cluster, claimed.node)) return "wrong_certificate";
  return whyRefuseProcess(claimed, known);
}

/** Whether `other` may be a member that this node has not heard of yet (I3). */
export function knowsMore(own: LinkIdentity, other: LinkIdentity): boolean {
  return own.clusterId !== "" && other.clusterId === own.clusterId && other.membership > own.membership;
}

/** Why the connecting side does not believe the answer. The certificate was checked when TLS was set up. */
export function whyRefuseAnswer(
  own: LinkIdentity,
  peer: string,
  answer: LinkIdentity | undefined,
  known: Acquaintances,
): RefusalReason | undefined {
  if (answer === undefined) return "bad_request";
  if (answer.node !== peer) return "not_for_me";
  const cluster = whyRefuseCluster(own, answer);
  if (cluster !== undefined) return cluster;
  return whyRefuseProcess(answer, known);
}

/** Of a node's processes only the newest is believed, and of two that are equally new only the one that was there first (I4). */
function whyRefuseProcess({ node, incarnation, birth }: LinkIdentity, known: Acquaintances): RefusalReason | undefined {
  if (incarnation < (known.newest(node) ?? 0)) return "stale_incarnation";
  const first = known.connected(node);
  return first !== undefined && first.incarnation === incarnation && first.birth !== birth ? "copied_directory" : undefined;
}

/** Cluster ids are compared only once both sides know theirs. */
export function whyRefuseCluster(own: LinkIdentity, other: LinkIdentity): RefusalReason | undefined {
  if (other.cluster !== own.cluster) return "wrong_cluster";
  return own.clusterId !== "" && other.clusterId !== "" && other.clusterId !== own.clusterId ? "wrong_cluster_id" : undefined;
}
