// Owns: where a node of the cluster is reached. How addresses are written is src/base/address.ts.

import type { Address } from "../base/address.ts";

/** Where the links of a node of the cluster are reached. */
export type PeerAddress = Address & { readonly id: string };
