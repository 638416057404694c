// Owns: `pawl job`. What a body is made from is src/cli/jobbody.ts, how answers look src/cli/views.ts.

import type { Command } from "commander";
import type { JobChange, JobStatus, NewJob } from "../../client/index.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { jobBody } from "../jobbody.ts";
import type { JobFlags } from "../jobbody.ts";
import { executionTable, fieldTable, jobTable } from "../views.ts";
import { addImport } from "./import.ts";
import { addExecutionFilter, executionFilterOf } from "./executionfilter.ts";
import type { ExecutionOptions } from "./executionfilter.ts";
import { addLimit, limitOf, pageSize, showFirst } from "./paging.ts";
import type { LimitOptions } from "./paging.ts";

type ListOptions = GlobalOptions & LimitOptions & { readonly status?: string; readonly type?: string };
type Flags = GlobalOptions & JobFlags & { readonly key?: string };

export function addJob(program: Command, context: Context): void {
  const job = program.command("job").description("submit, change and look at jobs");
  addAdd(job, context);
  addImport(job, context);
  addUpdate(job, context);
  addList(job, context);
  addHistory(job, context);
  job.command("get").argument("<job>").description("show a job").action(async (id: string, _: unknown, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>();
    showOne(await context.connect(options).jobs.get(id), options, context);
  });
  job
    .command("rm")
    .argument("<job>")
    .description("cancel a job; it never runs again")
    .option("--running", "cancel its running executions too")
    .action(async (id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { readonly running?: boolean }>();
      showDone(await context.connect(options).jobs.cancel(id, { running: options.running ? "cancel" : "leave" }), options, context);
    });
  const switches = [["pause", "let it miss its due times"], ["resume", "let it run again"], ["trigger", "run it once now"]] as const;
  for (const [name, text] of switches) {
    job.command(name).argument("<job>").description(text).action(async (id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      showDone(await context.connect(options).jobs[name](id), options, context);
    });
  }
}

function addAdd(job: Command, context: Context): void {
  withBody(job.command("add").argument("[command...]", "after --: what a shell job runs"))
    .description("submit a job; without a time it runs once, now")
    .option("--id <id>", "its id; made by the server when absent")
    .option("--type <type>", "http, shell, noop or a plugin's; http with --url, shell with a command")
    .option("--paused", "submit it paused")
    .option("--key <key>", "Idempotency-Key: submitting again with the same one does nothing twice")
    .addHelpText("after", addExamples)
    .action(async (argv: string[], _: unknown, command: Command) => {
      const flags = command.optsWithGlobals<Flags>();
      const body = (await jobBody(flags, inputs(argv, context), true)) as NewJob;
      const asked = flags.key === undefined ? {} : { idempotencyKey: flags.key };
      showDone(await context.connect(flags).jobs.submit(body, asked), flags, context);
    });
}

const addExamples = `
Examples:
  pawl job add --every 5s --url https://example.com/ping
  pawl job add --cron "0 9 * * 1-5" --tz Europe/Berlin --type noop
  pawl job add --in 10s -- echo hello
  pawl job add --file job.json`;

function addUpdate(job: Command, context: Context): void {
  withBody(job.command("update").argument("<job>").argument("[command...]", "after --: what a shell job runs"))
    .description("change the named fields of a job")
    .action(async (id: string, argv: string[], _: unknown, command: Command) => {
      const flags = command.optsWithGlobals<Flags>();
      const body = (await jobBody(flags, inputs(argv, context), false)) as JobChange;
      showDone(await context.connect(flags).jobs.update(id, body), flags, context);
    });
}

function inputs(argv: readonly string[], { io }: Context) {
  return { argv, nowMs: io.system.wallMs(), readInput: () => wholeText(io.input()) };
}

async function wholeText(input: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of input) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

/** The flags that submitting and changing share. */
function withBody(command: Command): Command {
  const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];
  return command
    .option("--file <file>", "JSON of the fields, as in the API; - for standard input")
    .option("--cron <expression>", "cron expression of 5 fields, or 6 with seconds")
    .option("--tz <zone>", "its IANA time zone; UTC when absent")
    .option("--dst-gap <policy>", "run_at_gap_end or skip")
    .option("--dst-overlap <policy>", "first, second or both")
    .option("--every <duration>", "interval, like 10s, 1h30m or PT10S")
    .option("--anchor <instant>", "where the interval is counted from")
    .option("--at <instant>", "once, like 2026-11-21T09:30:00Z")
    .option("--in <duration>", "once, this long from now")
    .option("--priority <priority>", "high, medium or low")
    .option("--payload <json>", "JSON, or @file")
    .option("--url <url>", "what an http job calls")
    .option("--method <method>", "its method")
    .option("--header <name:value>", "one of its headers", collect)
    .option("--body <text>", "its body")
    .option("--description <text>", "a note")
    .option("--label <name=value>", "one of its labels", collect)
    .option("--tag <tag>", "run on nodes with this tag", collect)
    .option("--max-attempts <n>", "how often it is tried")
    .option("--retry-delay <duration>", "delay before the second attempt")
    .option("--timeout <duration>", "time limit of an attempt")
    .option("--overlap <policy>", "skip or allow: a due time while it still runs")
    .option("--misfire <policy>", "fire_once, fire_all or skip: due times that were missed")
    .option("--at-most-once", "never start it a second time, even if its outcome is unknown");
}

function addList(job: Command, context: Context): void {
  addLimit(job.command("ls"))
    .description("list jobs")
    .option("--status <status>", "only jobs of this status")
    .option("--type <type>", "only jobs of this type")
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<ListOptions>();
      const limit = limitOf(options);
      const filter = { ...statusOf(options), ...(options.type ? { job_type: options.type } : {}), limit: pageSize(limit) };
      const jobs = context.connect(options).jobs.list(filter);
      await showFirst(jobs, limit, options, context, (items) => jobTable(items, context.out.paint));
    });
}

function addHistory(job: Command, context: Context): void {
  addExecutionFilter(addLimit(job.command("history").argument("<job>")))
    .description("list the executions of a job, newest first")
    .action(async (id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & LimitOptions & ExecutionOptions>();
      const limit = limitOf(options);
      const filter = { ...executionFilterOf(options), job_id: id, limit: pageSize(limit) };
      const executions = context.connect(options).executions.list(filter);
      await showFirst(executions, limit, options, context, (items) => executionTable(items, context.out.paint));
    });
}

/** The status to filter by. Which words there are is known to the server, which refuses others by name. */
function statusOf({ status }: { readonly status?: string }): { status?: JobStatus } {
  return status === undefined ? {} : { status: status as JobStatus };
}

/** A thing with all its fields. */
export function showOne(value: object, options: GlobalOptions, { out }: Context): void {
  if (options.json) return out.json(value);
  const { head, rows } = fieldTable(value, out.paint);
  out.table(head, rows);
}

/** What a change did: "submitted report-1". */
export function showDone(value: object, options: GlobalOptions, { out }: Context): void {
  if (options.json) out.json(value);
  else out.line(Object.values(value).filter((part) => typeof part === "string").join(" "));
}
