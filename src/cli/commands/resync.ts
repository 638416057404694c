// Owns: `pawl resync`: a node whose data are damaged is made a learner by the others, and its data are taken out; the next start gets all
// from them. Its process must not run.
// (Y1) The others first commit that it votes no more: from then on what it promised does not count. Nothing is taken out before that.

import type { Command } from "commander";
import { PawlError } from "../../base/errors.ts";
import type { Client, Cluster, ClusterMember } from "../../client/index.ts";
import type { Config } from "../../config.ts";
import { limits } from "../../limits.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { addDirectory, configOf } from "../directory.ts";
import type { DirectoryOptions } from "../directory.ts";

type ResyncOptions = DirectoryOptions & { readonly discard?: boolean };

export function addResync(program: Command, context: Context): void {
  addDirectory(program.command("resync"))
    .description("have a node whose data are damaged, and which does not run, get all from the other members")
    .option("--discard", "delete the damaged data; else the newest are kept in a folder of the data directory")
    .action((_: unknown, command: Command) => resync(command.optsWithGlobals<ResyncOptions>(), context));
}

async function resync(options: ResyncOptions, context: Context): Promise<void> {
  const config = configOf(options, context);
  const { io, out } = context;
  const client = context.connect(connectionOf(config, options, context));
  const { id, dataDir } = config.node;
  const offline = await import("../../offline.ts");
  const keep = options.discard !== true;
  const aside = await offline.resync(config, keep, io.system, () => demoted(client, id, context));
  if (options.json) return out.json({ node_id: id, data_dir: dataDir, kept_in: aside ?? null });
  out.line(`${id} is a learner without data: start it with \`pawl start\`; it gets all from the others, and votes again then`);
  if (aside !== undefined) out.line(`what it had is in ${dataDir}/${aside} until the next resync; delete that folder when nobody needs it`);
}

/** The other members, as the settings name them, unless told otherwise; with this node's own token and authority. */
function connectionOf(config: Config, options: ResyncOptions, { io: { env } }: Context): GlobalOptions {
  const scheme = config.tls === undefined ? "http" : "https";
  const others = config.cluster.members.filter(({ id }) => id !== config.node.id).map(({ api }) => `${scheme}://${api}`);
  const server = options.server ?? (env["PAWL_SERVER"] || others.join(","));
  if (server === "") {
    const next = "name another one with --server, or restore a backup with `pawl restore`";
    throw new PawlError("config", `${config.node.id} is the only member in its settings: ${next}`);
  }
  const hasToken = options.tokenFile !== undefined || env["PAWL_TOKEN"] || env["PAWL_TOKEN_FILE"];
  const tokenFile = hasToken ? options.tokenFile : config.auth.adminTokenFile;
  const caFile = options.caFile ?? (env["PAWL_CA_FILE"] ? undefined : config.tls?.ca);
  return { server, tokenFile, caFile };
}

/** A term in which the node is known to vote no more (Y1). */
async function demoted(client: Client, id: string, { io: { system } }: Context): Promise<number> {
  const before = await client.cluster.status();
  const member = memberOf(before, id);
  if (before.members.length === 1 && member !== undefined) {
    throw new PawlError("conflict", `${id} is the only member of its cluster: nobody has its data; restore a backup with \`pawl restore\``);
  }
  // It does not run, so that it bears nothing: the cluster bears as many losses without its vote.
  if (isVoter(member)) await client.cluster.demote(id, { force: true });
  for (let looks = 0; looks < limits.memberWaitMs / limits.memberPollMs; looks++) {
    const cluster = await client.cluster.status();
    const now = memberOf(cluster, id);
    if (now === undefined) throw notMember(id);
    if (now.role === "learner") return cluster.term;
    await new Promise<void>((resolve) => system.after(limits.memberPollMs, resolve));
  }
  throw new PawlError("timeout", `${id} still votes; \`pawl cluster status\` shows the members; run this again`, { outcome: "unknown" });
}

function notMember(id: string): PawlError {
  const next = "empty its data directory, start it with `pawl start --join` and add it with `pawl cluster add`";
  return new PawlError("unknown_member", `${id} is not a member of the cluster: ${next}`);
}

function isVoter(member: ClusterMember | undefined): boolean {
  return member !== undefined && member.role !== "learner";
}

function memberOf(cluster: Cluster, id: string): ClusterMember | undefined {
  return cluster.members.find((member) => member.id === id);
}
