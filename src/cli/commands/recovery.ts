// Owns: `pawl restore` and `pawl recover`: what they ask, and what they tell of the cluster that begins. What they do is src/offline.ts.
// (R1) What may be lost is told before it is lost: `recover` changes nothing without --yes.

import type { Command } from "commander";
import { PawlError } from "../../base/errors.ts";
import { tokenText } from "../../base/token.ts";
import type { Config } from "../../config.ts";
import type { Outlook, Remains, RestoredBackup } from "../../offline.ts";
import type { Context } from "../context.ts";
import { addDirectory, configOf, floorOf, floorOption } from "../directory.ts";
import type { DirectoryOptions } from "../directory.ts";
import { progress } from "../progress.ts";

type CarryOptions = DirectoryOptions & { readonly tokenFloor?: string };
type RestoreOptions = CarryOptions & { readonly catchUp?: boolean };
type RecoverOptions = CarryOptions & { readonly forceNewCluster?: boolean; readonly yes?: boolean };

const SHARD = 0;

export function addRecovery(program: Command, context: Context): void {
  addDirectory(program.command("restore <file>"))
    .description("make of a backup, in an empty data directory, the first node of a new cluster")
    .option("--catch-up", "treat due times since the backup as after a downtime, also those that may have run")
    .option(...floorOption)
    .action((file: string, _: unknown, command: Command) => restore(file, command.optsWithGlobals<RestoreOptions>(), context));
  addDirectory(program.command("recover"))
    .description("go on from what one node holds, when the majority is lost for good")
    .requiredOption("--force-new-cluster", "make this node the only voter of a new cluster")
    .option("--yes", "do it; else only tell what would be")
    .option(...floorOption)
    .action((_: unknown, command: Command) => recover(command.optsWithGlobals<RecoverOptions>(), context));
}

async function restore(file: string, options: RestoreOptions, context: Context): Promise<void> {
  const config = configOf(options, context);
  const { io, out } = context;
  const offline = await import("../../offline.ts");
  const shown = progress(io, "restoring");
  const carry = { tokenFloor: floorOf(options.tokenFloor), catchUp: options.catchUp === true };
  const done = await offline.restore(config, file, carry, io.system, shown.at).finally(shown.end);
  if (options.json) return out.json(restoredJson(config, done));
  const { header, end } = done.backup;
  const asOf = `as of index ${end.index} at ${iso(header.takenAtMs)}`;
  out.line(`restored cluster ${header.cluster} (${header.clusterId}), ${asOf}, to ${config.node.dataDir}`);
  tellOutlook(done.outlook, "restore", context);
  tellNext(config, context);
}

function restoredJson({ node }: Config, { backup, outlook }: RestoredBackup): unknown {
  const { header, end } = backup;
  const from = { cluster: header.cluster, cluster_id: header.clusterId, index: end.index, taken_at: iso(header.takenAtMs) };
  return { node_id: node.id, data_dir: node.dataDir, ...from, ...outlookJson(outlook) };
}

function outlookJson(outlook: Outlook): Readonly<Record<string, unknown>> {
  const { jobs, unsureJobs, unsureFromMs, goOn, unknown, cancelled } = outlook;
  const unsure = { unsure_jobs: unsureJobs, unsure_from: unsureFromMs === undefined ? null : iso(unsureFromMs) };
  return { jobs, ...unsure, executions: { go_on: goOn, unknown, cancelled }, tokens_above: tokenText(outlook.tokenCounter, SHARD) };
}

function tellOutlook(outlook: Outlook, reason: string, { out }: Context): void {
  const { jobs, unsureJobs, unsureFromMs, goOn, unknown, cancelled } = outlook;
  out.line(`jobs: ${jobs}`);
  if (unsureFromMs !== undefined) {
    out.line(`due times from ${iso(unsureFromMs)} up to now, of ${unsureJobs} jobs: recorded as unknown (${reason}), not run`);
  } else if (reason === "restore") out.line("due times that may have run since the backup: none is treated as such");
  const ended = `${unknown} end as unknown, ${cancelled} as cancelled`;
  out.line(`executions that had not ended: ${goOn} go on, those that had started with a newer token; ${ended}`);
  out.line(`fencing tokens from now on are above ${tokenText(outlook.tokenCounter, SHARD)}`);
}

function tellNext({ node }: Config, { out }: Context): void {
  out.line(`next: start ${node.id} with \`pawl start\`; on each other machine empty the data directory, start it with`);
  out.line("`pawl start --join`, and add it with `pawl cluster add`. Nodes of the earlier cluster, with their old data, are refused.");
}

async function recover(options: RecoverOptions, context: Context): Promise<void> {
  const config = configOf(options, context);
  const { io, out } = context;
  const offline = await import("../../offline.ts");
  const carry = { tokenFloor: floorOf(options.tokenFloor), catchUp: false };
  const isDone = await offline.recover(config, carry, io.system, (remains) => {
    if (options.json) out.json({ ...remainsJson(config, remains), done: options.yes === true });
    else tellRemains(config, remains, context);
    return options.yes === true;
  });
  if (!isDone) throw new PawlError("conflict", "nothing was changed; to do this, run it again with --yes");
  if (!options.json) tellNext(config, context);
}

function remainsJson({ node }: Config, remains: Remains): Readonly<Record<string, unknown>> {
  const { clusterId, voters, term, lastIndex, commit, checkpointIndex, newestMs, outlook } = remains;
  const log = { term, last_index: lastIndex, commit_index: commit, checkpoint_index: checkpointIndex, newest_entry_at: iso(newestMs) };
  return { node_id: node.id, data_dir: node.dataDir, cluster_id: clusterId, voters: voters ?? null, ...log, ...outlookJson(outlook) };
}

function tellRemains(config: Config, remains: Remains, context: Context): void {
  const { out } = context;
  const { lastIndex, commit, checkpointIndex, voters, newestMs } = remains;
  const ids = voters ?? config.cluster.members.map(({ id }) => id);
  out.line(`${config.node.id} holds cluster ${remains.clusterId} of ${ids.join(", ")}: term ${remains.term}, log up to index ${lastIndex}`);
  out.line(`known to be committed: up to index ${commit}; in a checkpoint: up to ${checkpointIndex}; newest entry: ${iso(newestMs)}`);
  out.line(`kept: all of it, also ${lastIndex - commit} entries that are not known to be committed`);
  out.line("may be lost: what the others held beyond that. Nobody can tell from here; choose the node whose log reaches furthest");
  tellOutlook(remains.outlook, "forced", context);
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
