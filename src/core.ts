// Owns: the core thread of a node: real disk, real links and the port to the face around one host (src/cluster/host.ts). User code and
// hostile HTTP traffic are on the face's thread and cannot delay a heartbeat here.

import { parentPort, workerData } from "node:worker_threads";
import { assert } from "./base/errors.ts";
import { Host } from "./cluster/host.ts";
import type { CoreOptions, CoreToFace, FaceToCore } from "./cluster/port.ts";
import { Timings } from "./cluster/timings.ts";
import { maxStateVersion } from "./jobs/versions.ts";
import { loadTls } from "./net/certificates.ts";
import { noMembership } from "./net/identity.ts";
import type { LinkIdentity } from "./net/identity.ts";
import { Links } from "./net/links.ts";
import { entryKinds } from "./raft/wire.ts";
import { LevelDisk } from "./storage/leveldisk.ts";
import { realSystem } from "./system.ts";
import { ThreadMetrics } from "./threadmetrics.ts";

/** What this build reads; told to the other nodes, so that nothing newer is written before all can read it. */
const capabilities = { stateVersion: maxStateVersion, entryKinds };

function identityOf({ cluster, node, incarnation, version, joining }: CoreOptions): LinkIdentity {
  const digits = (): string => Math.floor(realSystem.random() * 2 ** 32).toString(16).padStart(8, "0");
  const birth = digits() + digits();
  return { cluster, clusterId: "", node, incarnation, birth, version, capabilities, membership: joining ? noMembership : 0 };
}

async function run(options: CoreOptions, port: NonNullable<typeof parentPort>): Promise<void> {
  const post = (message: CoreToFace): void => port.postMessage(message);
  const log =
    (level: "info" | "warn") =>
    (fields: object, message: string): void =>
      post({ kind: "log", level, message, fields: { ...fields } });
  const disk = new LevelDisk(options.dataDir, (run) => realSystem.soon(run));
  const timings = new Timings();
  const thread = new ThreadMetrics("core", realSystem, timings.all);
  thread.start();
  let links: Links | undefined;
  const host = new Host({
    options,
    post,
    disk,
    system: realSystem,
    transport: { send: (to, lane, message) => links?.send(to, lane, message) ?? false },
    clusterIdKnown: (id) => links?.setClusterId(id),
    setPeers: (peers, index) => links?.setPeers(peers, index),
    openLinks: async () => links?.start(),
    closeLinks: async () => links?.close(),
    timings,
    threadMetrics: () => thread.text(),
  });
  links = new Links({
    identity: identityOf(options),
    peers: options.members,
    knownIncarnation: (node) => host.knownIncarnation(node),
    listen: options.listen,
    tls: options.tlsDir === undefined ? undefined : loadTls(options.tlsDir),
    system: realSystem,
    log: { info: log("info"), warn: log("warn") },
    events: {
      frame: (from, _lane, message) => host.frame(from, message),
      up: (peer, identity) => host.linkUp(peer, identity),
      down: (peer) => host.linkDown(peer),
      refused: () => undefined,
      drained: (_peer, lane) => {
        if (lane === "snapshot") host.snapshotRoom();
      },
    },
  });
  port.on("message", (message: FaceToCore) => host.receive(message));
  await host.open().catch((error: unknown) => host.fail(error instanceof Error ? error : new Error(String(error))));
}

assert(parentPort !== null, "src/core.ts runs as a worker thread of src/node.ts");
await run(workerData as CoreOptions, parentPort);
