// Owns: the body of POST and PUT /jobs as made from flags: the short forms of the command line in the words of the API. What a
// body may hold is checked by the server.
// (J1) A flag wins over the same field of --file.

import { readFileSync } from "node:fs";
import { PawlError, messageOf } from "../base/errors.ts";
import { formatInstant } from "../base/time.ts";
import { isoOfTyped, typedDuration } from "./durations.ts";

export type JobFlags = {
  readonly id?: string;
  readonly type?: string;
  readonly file?: string;
  readonly cron?: string;
  readonly tz?: string;
  readonly dstGap?: string;
  readonly dstOverlap?: string;
  readonly every?: string;
  readonly anchor?: string;
  readonly at?: string;
  readonly in?: string;
  readonly priority?: string;
  readonly payload?: string;
  readonly url?: string;
  readonly method?: string;
  readonly header?: readonly string[];
  readonly body?: string;
  readonly description?: string;
  readonly label?: readonly string[];
  readonly maxAttempts?: string;
  readonly retryDelay?: string;
  readonly timeout?: string;
  readonly overlap?: string;
  readonly misfire?: string;
  readonly atMostOnce?: boolean;
  readonly tag?: readonly string[];
  readonly paused?: boolean;
};

export type JobBody = Record<string, unknown>;

/** What a body is made from besides the flags. */
export type BodyInputs = { readonly argv: readonly string[]; readonly nowMs: number; readonly readInput: () => Promise<string> };

/** The fields that the flags name; of a new job without any time, due now. */
export async function jobBody(flags: JobFlags, inputs: BodyInputs, isNew: boolean): Promise<JobBody> {
  const file = flags.file === undefined ? {} : objectOf(await textOf(flags.file, inputs.readInput), `--file ${flags.file}`);
  const work = await workOf(flags, inputs);
  const body: JobBody = {
    ...file,
    ...work,
    ...timeOf(flags, inputs.nowMs),
    ...defined({
      job_id: flags.id,
      priority: flags.priority,
      description: flags.description,
      labels: flags.label && pairs(flags.label, "=", "--label"),
      timeout: flags.timeout && isoOfTyped(flags.timeout, "--timeout"),
      overlap: flags.overlap,
      misfire: flags.misfire && { policy: flags.misfire },
      delivery: flags.atMostOnce ? "at_most_once" : undefined,
      placement: flags.tag && { tags: flags.tag },
      retry: retryOf(flags),
      paused: flags.paused || undefined,
    }),
  };
  const isTimed = "schedule" in body || "schedule_time" in body;
  return isNew && !isTimed ? { ...body, schedule_time: formatInstant(inputs.nowMs) } : body;
}

/** Type and payload: given, or told by --url (http) or by the words after -- (shell). */
async function workOf(flags: JobFlags, { argv, readInput }: BodyInputs): Promise<JobBody> {
  const ways = [flags.payload !== undefined, flags.url !== undefined, argv.length > 0].filter(Boolean).length;
  if (ways > 1) throw new PawlError("invalid", "give only one of --payload, --url and a command after --");
  if (flags.url !== undefined) return { job_type: flags.type ?? "http", payload: httpPayload(flags) };
  if (flags.method ?? flags.header ?? flags.body) throw new PawlError("invalid", "--method, --header and --body need --url");
  if (argv.length > 0) return { job_type: flags.type ?? "shell", payload: { argv } };
  const payload = flags.payload === undefined ? undefined : await payloadOf(flags.payload, readInput);
  return defined({ job_type: flags.type, payload });
}

function httpPayload({ url, method, header, body }: JobFlags): JobBody {
  return defined({ url, method: method?.toUpperCase(), headers: header && pairs(header, ":", "--header"), body });
}

async function payloadOf(text: string, readInput: () => Promise<string>): Promise<unknown> {
  return text.startsWith("@") ? json(await textOf(text.slice(1), readInput), `--payload ${text}`) : json(text, "--payload");
}

function timeOf(flags: JobFlags, nowMs: number): JobBody {
  const given = (["cron", "every", "at", "in"] as const).filter((name) => flags[name] !== undefined);
  if (given.length > 1) throw new PawlError("invalid", `give only one of ${given.map((name) => `--${name}`).join(" and ")}`);
  if (flags.cron === undefined && (flags.tz ?? flags.dstGap ?? flags.dstOverlap)) {
    throw new PawlError("invalid", "--tz, --dst-gap and --dst-overlap need --cron");
  }
  if (flags.every === undefined && flags.anchor !== undefined) throw new PawlError("invalid", "--anchor needs --every");
  if (flags.cron !== undefined) {
    const dst = defined({ gap: flags.dstGap, overlap: flags.dstOverlap });
    const fields = { cron: flags.cron, timezone: flags.tz, dst: Object.keys(dst).length > 0 ? dst : undefined };
    return { schedule: defined(fields) };
  }
  if (flags.every !== undefined) return { schedule: defined({ every: isoOfTyped(flags.every, "--every"), anchor: flags.anchor }) };
  if (flags.in !== undefined) return { schedule_time: formatInstant(nowMs + typedDuration(flags.in, "--in")) };
  return defined({ schedule_time: flags.at });
}

function retryOf({ maxAttempts, retryDelay }: JobFlags): JobBody | undefined {
  if (maxAttempts === undefined && retryDelay === undefined) return undefined;
  if (maxAttempts !== undefined && !/^\d{1,6}$/.test(maxAttempts)) {
    throw new PawlError("invalid", `--max-attempts: expected a number, got ${JSON.stringify(maxAttempts)}`);
  }
  return defined({
    max_attempts: maxAttempts === undefined ? undefined : Number(maxAttempts),
    initial_delay: retryDelay === undefined ? undefined : isoOfTyped(retryDelay, "--retry-delay"),
  });
}

/** {"a": "b"} of ["a=b"]. */
function pairs(texts: readonly string[], separator: string, what: string): Record<string, string> {
  return Object.fromEntries(texts.map((text) => {
    const at = text.indexOf(separator);
    if (at < 1) throw new PawlError("invalid", `${what}: expected name${separator}value, got ${JSON.stringify(text)}`);
    return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
  }));
}

async function textOf(file: string, readInput: () => Promise<string>): Promise<string> {
  if (file === "-") return readInput();
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new PawlError("config", `${file}: cannot be read (${messageOf(error).split(":", 1)[0]})`, { cause: error });
  }
}

function objectOf(text: string, what: string): JobBody {
  const value = json(text, what);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new PawlError("invalid", `${what}: expected a JSON object`);
}

function json(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new PawlError("invalid", `${what}: not JSON: ${messageOf(error)}`, { cause: error });
  }
}

function defined(fields: JobBody): JobBody {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
