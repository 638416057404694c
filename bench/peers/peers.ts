// Owns: the list of peers.

import { bullmq } from "./bullmq.ts";
import { graphileWorker } from "./graphileworker.ts";
import type { Peer } from "./peer.ts";
import { pgBoss } from "./pgboss.ts";

export const peers: readonly (() => Peer)[] = [bullmq, graphileWorker, pgBoss];
