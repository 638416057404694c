// Owns: `pawl job import`: a file with a job on each line into a cluster, how far it is, and how to go on when it stops. How the list is
// sent is src/client/import.ts's.

import { createReadStream, statSync } from "node:fs";
import type { Command } from "commander";
import { PawlError, messageOf } from "../../base/errors.ts";
import type { RefusedLine } from "../../client/index.ts";
import { limits } from "../../limits.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { exitCodes } from "../exitcodes.ts";
import { plain } from "../output.ts";
import { bar, progress } from "../progress.ts";
import type { Words } from "../progress.ts";

type Flags = GlobalOptions & { readonly key?: string; readonly from?: string; readonly parallel?: string };

/** How far an import is: so many lines, of which these jobs are there and these lines were refused. */
type Tally = { cursor: number; bytes: number; submitted: number; refused: number; readonly errors: RefusedLine[] };
type Source = { readonly text: AsyncIterable<Uint8Array>; readonly bytes: number | undefined };

const LINES_MAX = 999_999_999_999;
const PIECE_BYTES = 1024 * 1024;

export function addImport(job: Command, context: Context): void {
  job
    .command("import")
    .argument("<file>", "a job on each line, as in the API; - for standard input")
    .description("submit many jobs; doing it again with the same file does nothing twice for about a day")
    .option("--key <key>", "Idempotency-Key for all of it, instead of one that is made of the lines")
    .option("--from <line>", "lines at the beginning that an earlier import has done")
    .option("--parallel <n>", `requests at once, up to ${limits.importRequestsMax}`, String(limits.importRequestsDefault))
    .action((file: string, _: unknown, command: Command) => run(file, command.optsWithGlobals<Flags>(), context));
}

async function run(file: string, flags: Flags, context: Context): Promise<void> {
  const from = numberOf(flags.from ?? "0", "--from", 0, LINES_MAX);
  const parallel = numberOf(flags.parallel ?? "", "--parallel", 1, limits.importRequestsMax);
  const { text, bytes } = sourceOf(file, context);
  const stop = new AbortController();
  context.onSignal(["SIGINT", "SIGTERM"], () => stop.abort());
  const tally: Tally = { cursor: from, bytes: 0, submitted: 0, refused: 0, errors: [] };
  const shown = progress(context.io, "import", wordsOf(tally, bytes));
  const options = { from, parallel, idempotencyKey: flags.key, signal: stop.signal };
  try {
    for await (const step of context.connect(flags).jobs.importLines(text, options)) {
      tally.cursor = step.cursor;
      tally.bytes = step.bytes;
      tally.submitted += step.submitted;
      tally.refused += step.refused;
      tally.errors.push(...step.errors.slice(0, limits.importErrorsShown - tally.errors.length));
      shown.at(step.cursor - from);
    }
    if (stop.signal.aborted) throw new PawlError("unavailable", "it was asked to stop");
  } catch (error) {
    shown.end();
    throw brokenOff(error, file, flags, tally);
  }
  shown.end();
  tell(tally, flags, context);
}

function numberOf(text: string, flag: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d{1,12}$/.test(text) && value >= min && value <= max) return value;
  throw new PawlError("invalid", `${flag}: expected a number from ${min} to ${max}, got ${JSON.stringify(text)}`);
}

function sourceOf(file: string, { io }: Context): Source {
  if (file === "-") return { text: io.input(), bytes: undefined };
  return { text: textOf(file), bytes: statSync(file, { throwIfNoEntry: false })?.size };
}

async function* textOf(file: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* createReadStream(file, { highWaterMark: PIECE_BYTES });
  } catch (error) {
    throw new PawlError("config", `${file}: cannot be read (${messageOf(error).split(":", 1)[0]})`, { cause: error });
  }
}

/** A bar and what is left where the size is known, else what is done. */
function wordsOf(tally: Tally, bytes: number | undefined): Words {
  return (lines, perSecond) => {
    const rate = `${tally.cursor} lines, ${Math.round(perSecond)} a second${tally.refused === 0 ? "" : `, ${tally.refused} refused`}`;
    if (bytes === undefined || bytes === 0 || tally.bytes === 0) return rate;
    const linesLeft = (tally.cursor / tally.bytes) * (bytes - tally.bytes);
    const left = lines === 0 ? "" : `, ${Math.ceil(linesLeft / perSecond)} s left`;
    return `${bar(tally.bytes / bytes)}, ${rate}${left}`;
  };
}

/** Whatever stopped it, with the command that goes on. */
function brokenOff(error: unknown, file: string, { key }: Flags, { cursor, submitted, refused }: Tally): unknown {
  if (!(error instanceof PawlError)) return error;
  const again = `pawl job import ${file}${key === undefined ? "" : ` --key ${key}`} --from ${cursor}`;
  const done = `everything up to line ${cursor} is done (submitted ${submitted}, refused ${refused})`;
  return new PawlError(error.code, `${error.message}; ${done}. To go on: ${again}`, { outcome: error.outcome, cause: error });
}

function tell({ cursor, submitted, refused, errors }: Tally, { json }: GlobalOptions, { io, out, exit }: Context): void {
  if (refused > 0) exit(exitCodes.refused);
  if (json) return out.json({ lines: cursor, submitted, refused, errors });
  for (const { line, message } of errors) io.stderr.write(`line ${line}: ${plain(message)}\n`);
  if (refused > errors.length) io.stderr.write(`and ${refused - errors.length} more lines were refused\n`);
  out.line(`submitted ${submitted}${refused === 0 ? "" : `, refused ${refused}`}`);
}
