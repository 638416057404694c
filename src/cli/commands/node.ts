// Owns: `pawl node`.

import type { Command } from "commander";
import type { Context, GlobalOptions } from "../context.ts";
import { nodeTable } from "../views.ts";

export function addNode(program: Command, context: Context): void {
  const node = program.command("node").description("look at the nodes that run executions");
  node.command("ls").description("list nodes").action(async (_: unknown, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>();
    const nodes = await context.connect(options).nodes.list();
    if (options.json) return context.out.json(nodes);
    const { head, rows } = nodeTable(nodes, context.out.paint);
    context.out.table(head, rows);
  });
}
