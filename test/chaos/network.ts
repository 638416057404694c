// Owns: what a chaos run asks of the network between its nodes. relay.ts does it on loopback with a relay for each link, namespaces.ts
// with a network of the kernel for each node.

/** Where a node is reached, and how its process is started there. */
export type Place = {
  /** host:port of the HTTP API, as everybody sees it. */
  readonly api: string;
  /** host:port that the node listens on for its peers. */
  readonly peer: string;
  /** Command to put before the node's own. */
  readonly launcher: readonly string[];
};

export interface Network {
  readonly kind: "relay" | "namespaces";
  /** Address of this process that the nodes reach; nothing here is ever cut. */
  readonly host: string;
  /** Networks that http jobs must be allowed to reach. */
  readonly range: string;
  /** Addresses beyond loopback need certificates. */
  readonly needsTls: boolean;
  place(id: string): Place;
  /** The peer address of `to` in the settings of `from`. */
  peerOf(from: string, to: string): string;
  /** What `from` sends does not reach `to`, for each pair of these. Adds to what is cut. */
  cut(from: readonly string[], to: readonly string[]): Promise<void>;
  /** Each link loses so many percent of its packets. */
  lose(percent: number): Promise<void>;
  /** Each link becomes slow. */
  slow(): Promise<void>;
  /** All links are whole again. */
  heal(): Promise<void>;
  close(): Promise<void>;
}
