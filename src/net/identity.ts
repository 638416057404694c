// Owns: who stands at the other end of a link, and the one place that decides whether to believe it. Pure decisions; the
// connections are outbound.ts and inbound.ts.
// (I1) A certificate names its node by exactly one URI, compared as a whole text: never a common name, never a prefix.
// (I2) Only an accepted handshake raises the highest incarnation seen of a node; a refused one leaves no trace but a count.

import type { IncomingHttpHeaders } from "node:http2";

/** Two connections per peer and direction, so that bulk data never delays heartbeats. */
export const lanes = ["control", "bulk"] as const;
export type Lane = (typeof lanes)[number];

export type LinkIdentity = {
  /** Name of the cluster, from the configuration. */
  readonly cluster: string;
  /** Id given when the cluster was founded; "" until it is known. */
  readonly clusterId: string;
  readonly node: string;
  /** Raised at each start of the node's process. */
  readonly incarnation: number;
  readonly version: string;
};

/** What a connecting node says of itself, and whom it means to reach. */
export type Hello = { readonly identity: LinkIdentity; readonly lane: Lane; readonly to: string };

export const refusalStatus = {
  bad_request: 400,
  wrong_certificate: 403,
  unknown_node: 403,
  own_node: 403,
  wrong_cluster: 409,
  wrong_cluster_id: 409,
  stale_incarnation: 409,
  not_for_me: 421,
} as const;
export type RefusalReason = keyof typeof refusalStatus;

/** Highest incarnation of each node that this process has linked with. At most one number per member. */
export type Incarnations = Map<string, number>;

export const linkPath = "/pawl/link";
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
    "pawl-version": identity.version,
  };
}

export function helloHeaders(hello: Hello): Record<string, string> {
  return { ":method": "POST", ":path": linkPath, ...identityHeaders(hello.identity), "pawl-lane": hello.lane, "pawl-to": hello.to };
}

/** Undefined when a header is missing, repeated or malformed. */
export function readIdentity(headers: IncomingHttpHeaders): LinkIdentity | undefined {
  const cluster = text(headers["pawl-cluster"]);
  const clusterId = text(headers["pawl-cluster-id"]);
  const node = text(headers["pawl-node"]);
  const digits = text(headers["pawl-incarnation"]);
  const version = text(headers["pawl-version"]);
  if (cluster === undefined || clusterId === undefined || node === undefined) return undefined;
  if (digits === undefined || version === undefined) return undefined;
  const incarnation = /^\d{1,16}$/.test(digits) ? Number(digits) : Number.NaN;
  if (!isLinkName(node) || !Number.isSafeInteger(incarnation)) return undefined;
  return { cluster, clusterId, node, incarnation, version };
}

export function readHello(headers: IncomingHttpHeaders): Hello | undefined {
  const identity = readIdentity(headers);
  const lane = lanes.find((known) => known === headers["pawl-lane"]);
  const to = text(headers["pawl-to"]);
  if (headers[":method"] !== "POST" || headers[":path"] !== linkPath) return undefined;
  return identity === undefined || lane === undefined || to === undefined ? undefined : { identity, lane, to };
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
  members: ReadonlySet<string>,
  seen: Incarnations,
  uri: string | undefined | "no_tls",
): RefusalReason | undefined {
  if (hello === undefined) return "bad_request";
  const claimed = hello.identity;
  const cluster = whyRefuseCluster(own, claimed);
  if (cluster !== undefined) return cluster;
  if (claimed.node === own.node) return "own_node";
  if (hello.to !== own.node) return "not_for_me";
  if (!members.has(claimed.node)) return "unknown_node";
  if (uri !== "no_tls" && uri !== serverUri(own.cluster, claimed.node)) return "wrong_certificate";
  return claimed.incarnation < (seen.get(claimed.node) ?? 0) ? "stale_incarnation" : undefined;
}

/** Why the connecting side does not believe the answer. The certificate was checked when TLS was set up. */
export function whyRefuseAnswer(
  own: LinkIdentity,
  peer: string,
  answer: LinkIdentity | undefined,
  seen: Incarnations,
): RefusalReason | undefined {
  if (answer === undefined) return "bad_request";
  if (answer.node !== peer) return "unknown_node";
  const cluster = whyRefuseCluster(own, answer);
  if (cluster !== undefined) return cluster;
  return answer.incarnation < (seen.get(peer) ?? 0) ? "stale_incarnation" : undefined;
}

/** Cluster ids are compared only once both sides know theirs. */
export function whyRefuseCluster(own: LinkIdentity, other: LinkIdentity): RefusalReason | undefined {
  if (other.cluster !== own.cluster) return "wrong_cluster";
  return own.clusterId !== "" && other.clusterId !== "" && other.clusterId !== own.clusterId ? "wrong_cluster_id" : undefined;
}
