// Owns: which metrics a core tells of itself, from what is counted already: nothing is looked through for them, so that a scrape costs the
// same whatever is stored. Their text is exposition.ts's; what a thread tells of itself is in src/threadmetrics.ts.

import { Exposition } from "../base/exposition.ts";
import { eventCode } from "../jobs/eventlog.ts";
import { endings } from "../jobs/history.ts";
import { liveState } from "../jobs/livetable.ts";
import { lane } from "../jobs/state.ts";
import type { Assembled } from "./assemble.ts";
import type { Timings } from "./timings.ts";

export function coreMetrics(core: Assembled): string {
  const out = new Exposition();
  consensus(out, core);
  executions(out, core);
  stored(out, core);
  durations(out, core.timings);
  return out.text;
}

function consensus(out: Exposition, { replica }: Assembled): void {
  const { term, role, commit, firstIndex } = replica.raft.status();
  out
    .gauge("pawl_term", "Current term.", term)
    .gauge("pawl_leader", "1 on the leader.", role === "leader" ? 1 : 0)
    .gauge("pawl_commit_index", "Highest committed log index.", commit)
    .gauge("pawl_applied_index", "Highest applied log index.", replica.state.appliedIndex)
    .gauge("pawl_log_first_index", "Lowest index that the log still holds.", firstIndex)
    .gauge("pawl_state_compared_index", "Index of the newest mark at which states were compared.", replica.hashes.stats.index)
    .gauge("pawl_replicated_clock_seconds", "The highest time applied.", replica.state.clockMs / 1000)
    .gauge("pawl_proposals_waiting", "Changes of callers that are in no entry yet.", replica.proposals.waiting)
    .gauge("pawl_entries_in_flight", "Entries that this leader proposed and has not applied.", replica.proposals.entriesInFlight);
}

function executions(out: Exposition, { replica, wheel }: Assembled): void {
  const { live, events, jobs } = replica.state;
  const ended = endings.map((name) => [name, events.counts[eventCode[`execution.${name}`]] as number] as const);
  out
    .gauge("pawl_jobs", "Jobs in the table.", jobs.pool.count)
    .labelled("pawl_executions_total", "counter", "Executions that ended, in entries that this process applied.", "status", ended);
  for (const name of ["queued", "running", "retrying", "cancelling"] as const) {
    out.gauge(`pawl_executions_${name}`, `Live executions that are ${name}.`, live.counts[liveState[name]] as number);
  }
  let due = 0;
  for (let at = 0; at < lane.deadline; at++) due += wheel.dueCount(at);
  out.gauge("pawl_due_waiting", "Due jobs and ready executions that no applied entry has started.", due);
}

function stored(out: Exposition, { replica, log, history, checkpointer, scrubber, space }: Assembled): void {
  out
    .gauge("pawl_log_bytes", "Bytes of the log on disk, about.", log.bytes)
    .gauge("pawl_checkpoint_index", "Applied index of the newest checkpoint.", checkpointer.index)
    .gauge("pawl_history_records", "History records ever written.", replica.state.lastOrdinal)
    .gauge("pawl_history_missing", "Records that this node lacks and fetches from others.", history.missing)
    .gauge("pawl_scrub_rounds", "Rounds in which all that is stored was read again.", scrubber.rounds)
    .gauge("pawl_disk_free_bytes", "Free space on the disk of the data.", space.freeBytes);
}

function durations(out: Exposition, timings: Timings): void {
  out
    .counter("pawl_entries_applied_total", "Log entries that this process applied.", timings.apply.count)
    .durations("log_write", "A write of the log, until it is durable.", timings.logWrite)
    .durations("commit", "An entry that this leader proposed, until it is applied.", timings.commit)
    .durations("apply", "An entry that is applied.", timings.apply)
    .durations("turn", "A turn of the core's loop over all that came in.", timings.turn)
    .durations("checkpoint", "A checkpoint, until it is durable.", timings.checkpoint)
    .durations("checkpoint_freeze", "The part of a checkpoint in the one turn that takes it.", timings.freeze)
    .durations("proposal_wait", "A change on the leader, until it is in an entry.", timings.proposalWait)
    .durations("due_wait", "What is due, from its due time until the leader has it in an entry.", timings.dueWait)
    .durations("scrape", "What a scrape takes of the core's thread.", timings.scrape);
}
