// Owns: `pawl execution`.

import type { Command } from "commander";
import type { Context, GlobalOptions } from "../context.ts";
import { executionTable } from "../views.ts";
import { addExecutionFilter, executionFilterOf } from "./executionfilter.ts";
import type { ExecutionOptions } from "./executionfilter.ts";
import { showDone, showOne } from "./job.ts";
import { addLimit, limitOf, pageSize, showFirst } from "./paging.ts";
import type { LimitOptions } from "./paging.ts";

type ListOptions = GlobalOptions & LimitOptions & ExecutionOptions & { readonly job?: string };

export function addExecution(program: Command, context: Context): void {
  const execution = program.command("execution").description("look at executions and cancel them");
  addExecutionFilter(addLimit(execution.command("ls")))
    .description("list executions, newest first")
    .option("--job <job>", "only those of this job")
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<ListOptions>();
      const limit = limitOf(options);
      const filter = { ...executionFilterOf(options), ...(options.job ? { job_id: options.job } : {}), limit: pageSize(limit) };
      const executions = context.connect(options).executions.list(filter);
      await showFirst(executions, limit, options, context, (items) => executionTable(items, context.out.paint));
    });
  const get = execution.command("get").argument("<execution>").description("show an execution");
  get.action(async (id: string, _: unknown, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>();
    showOne(await context.connect(options).executions.get(id), options, context);
  });
  const cancel = execution.command("cancel").argument("<execution>").description("cancel an execution");
  cancel.action(async (id: string, _: unknown, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>();
    showDone(await context.connect(options).executions.cancel(id), options, context);
  });
  execution
    .command("logs")
    .argument("<execution>")
    .description("print what its attempts wrote; standard error of a command goes to stderr")
    .action(async (id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const parts = await context.connect(options).executions.logs(id);
      if (options.json) return context.out.json(parts);
      for (const { stream, text, truncated } of parts) {
        (stream === "stderr" ? context.io.stderr : context.io.stdout).write(text);
        if (truncated) context.io.stderr.write("\n(the rest was not kept)\n");
      }
    });
}
