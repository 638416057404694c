// Owns: lists: how many of them are shown, and saying that there are more.

import type { Command } from "commander";
import { PawlError } from "../../base/errors.ts";
import { limits } from "../../limits.ts";
import type { Context, GlobalOptions } from "../context.ts";
import type { TableView } from "../views.ts";

export type LimitOptions = { readonly limit: string };

const LIMIT_DEFAULT = "50";
const LIMIT_MAX = 1_000_000;

export function addLimit(command: Command): Command {
  return command.option("--limit <n>", "how many at most", LIMIT_DEFAULT);
}

export function limitOf({ limit }: LimitOptions): number {
  const count = Number(limit);
  if (/^\d{1,7}$/.test(limit) && count >= 1 && count <= LIMIT_MAX) return count;
  throw new PawlError("invalid", `--limit: expected 1 to ${LIMIT_MAX}, got ${JSON.stringify(limit)}`);
}

/** Size of the pages to ask for: one more than is shown tells whether there are more. */
export function pageSize(limit: number): number {
  return Math.min(limit + 1, limits.pageMax);
}

/** The first items as a JSON array or a table; that there are more goes to stderr, so that stdout stays what was asked for. */
export async function showFirst<T>(
  items: AsyncIterable<T>, limit: number, options: GlobalOptions, { io, out }: Context, table: (items: readonly T[]) => TableView,
): Promise<void> {
  const shown: T[] = [];
  let isMore = false;
  for await (const item of items) {
    isMore = shown.length === limit;
    if (isMore) break;
    shown.push(item);
  }
  if (options.json) out.json(shown);
  else if (shown.length === 0) out.line("none");
  else {
    const { head, rows } = table(shown);
    out.table(head, rows);
  }
  if (isMore) io.stderr.write(`there are more than ${limit}; --limit shows more\n`);
}
