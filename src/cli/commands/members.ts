// Owns: `pawl cluster add`, `remove`, `promote` and `transfer`: they ask for a change and wait until the cluster shows it.
// (W1) Waiting is bounded. A change that takes longer goes on; the command then ends with "unknown" and says how to look.

import type { Command } from "commander";
import { PawlError } from "../../base/errors.ts";
import type { Client, Cluster, ClusterMember } from "../../client/index.ts";
import { limits } from "../../limits.ts";
import type { Context, GlobalOptions } from "../context.ts";

type Waits = { readonly wait: boolean };
type AddOptions = GlobalOptions & Waits & { readonly peer: string; readonly api: string; readonly learner?: boolean };
type RemoveOptions = GlobalOptions & Waits & { readonly force?: boolean };

/** What was asked for: how to see that it is so, and what to tell. */
type Wanted = {
  ask(client: Client): Promise<Cluster>;
  holds(cluster: Cluster): boolean;
  /** On the way there; undefined when there is nothing to say. */
  readonly meanwhile?: string | undefined;
  done(cluster: Cluster): string;
};

const noWait = ["--no-wait", "do not wait until it is so"] as const;

export function addMembers(cluster: Command, context: Context): void {
  cluster
    .command("add <id>")
    .description("add a member: it learns first, and votes when it has caught up")
    .requiredOption("--peer <host:port>", "where the other nodes reach it")
    .requiredOption("--api <url>", "where clients reach it")
    .option("--learner", "keep it a learner: it has all data but no vote")
    .option(...noWait)
    .action((id: string, _: unknown, command: Command) => add(id, command.optsWithGlobals<AddOptions>(), context));
  cluster
    .command("remove <id>")
    .description("remove a member for good")
    .option("--force", "also when the cluster bears fewer losses without it")
    .option(...noWait)
    .action((id: string, _: unknown, command: Command) => remove(id, command.optsWithGlobals<RemoveOptions>(), context));
  cluster
    .command("promote <id>")
    .description("make a learner that has caught up a voter")
    .option(...noWait)
    .action((id: string, _: unknown, command: Command) => {
      const wanted = { ask: (client: Client) => client.cluster.promote(id), holds: votes(id), done: () => `${id} is a voter` };
      return change(wanted, command.optsWithGlobals<GlobalOptions & Waits>(), context);
    });
  cluster
    .command("transfer [id]")
    .description("hand leadership to a member, or to the voter that is furthest")
    .option(...noWait)
    .action((id: string | undefined, _: unknown, command: Command) => {
      return transfer(id, command.optsWithGlobals<GlobalOptions & Waits>(), context);
    });
}

function add(id: string, options: AddOptions, context: Context): Promise<void> {
  const { peer, api, learner = false } = options;
  const role = learner ? "learner" : "voter";
  const next = learner ? "it gets all data but no vote" : "it votes when it has caught up";
  return change({
    ask: (client) => client.cluster.add({ id, peer, api, role }),
    holds: learner ? (cluster) => memberOf(cluster, id)?.state === "up" : votes(id),
    meanwhile: `${id} is a learner: ${next}; start it with \`pawl start --join\` if it does not run`,
    done: () => `${id} is a ${role}`,
  }, options, context);
}

/** For the cluster it is done already; but who names nobody has mistyped. */
async function remove(id: string, options: RemoveOptions, context: Context): Promise<void> {
  if (memberOf(await context.connect(options).cluster.status(), id) === undefined) {
    throw new PawlError("unknown_member", `${id} is not a member; \`pawl cluster status\` lists them`);
  }
  return change({
    ask: (client) => client.cluster.remove(id, { force: options.force === true }),
    holds: (cluster) => memberOf(cluster, id) === undefined,
    done: () => `${id} is no member any more; stop it if it still runs`,
  }, options, context);
}

async function transfer(id: string | undefined, options: GlobalOptions & Waits, context: Context): Promise<void> {
  const before = id === undefined ? (await context.connect(options).cluster.status()).leader_id : undefined;
  return change({
    ask: (client) => client.cluster.transfer(id),
    holds: ({ leader_id: leader }) => leader !== null && (id === undefined ? leader !== before : leader === id),
    done: (cluster) => `${cluster.leader_id ?? ""} leads`,
  }, options, context);
}

async function change(wanted: Wanted, options: GlobalOptions & Waits, context: Context): Promise<void> {
  const client = context.connect(options);
  const { out } = context;
  let cluster = await wanted.ask(client);
  if (options.wait && !wanted.holds(cluster)) {
    if (wanted.meanwhile !== undefined && !options.json) out.line(wanted.meanwhile);
    cluster = await until(wanted, client, context);
  }
  if (options.json) return out.json(cluster);
  if (wanted.holds(cluster)) out.line(wanted.done(cluster));
  else out.line("accepted; `pawl cluster status` shows when it is so");
}

/** (W1) */
async function until({ holds }: Wanted, client: Client, { io: { system } }: Context): Promise<Cluster> {
  for (let looks = 0; looks < limits.memberWaitMs / limits.memberPollMs; looks++) {
    await new Promise<void>((resolve) => system.after(limits.memberPollMs, resolve));
    const cluster = await client.cluster.status({ consistency: "stale" });
    if (holds(cluster)) return cluster;
  }
  const waited = `not so after ${limits.memberWaitMs / 1000} seconds, but it may come`;
  throw new PawlError("timeout", `${waited}; \`pawl cluster status\` shows the members and their state`, { outcome: "unknown" });
}

function memberOf(cluster: Cluster, id: string): ClusterMember | undefined {
  return cluster.members.find((member) => member.id === id);
}

function votes(id: string): (cluster: Cluster) => boolean {
  return (cluster) => ["voter", "leader"].includes(memberOf(cluster, id)?.role ?? "");
}
