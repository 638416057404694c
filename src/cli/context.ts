// Owns: what every command is handed: its sinks, the client, and the few things of the process that it may touch. Tests hand
// in their own; src/cli/main.ts hands in the real ones.

import type { Client } from "../client/index.ts";
import type { ExitCode } from "./exitcodes.ts";
import type { Io, Output } from "./output.ts";

export type GlobalOptions = {
  readonly server?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly caFile?: string | undefined;
  readonly json?: boolean | undefined;
};

/** Parts of the process; replaced in tests. */
export type ProcessParts = {
  onSignal(signals: readonly NodeJS.Signals[], run: () => void): void;
  /** Calls `run` when standard input has ended. */
  onInputEnd(run: () => void): void;
  exitNow(code: ExitCode): void;
};

export type Context = ProcessParts & {
  readonly io: Io;
  readonly out: Output;
  /** The exit code of this command; 0 unless it says otherwise. */
  exit(code: ExitCode): void;
  /** Writes what went wrong as one line to stderr. */
  complain(error: unknown): void;
  /** Finds the cluster and speaks to it. */
  connect(options: GlobalOptions): Client;
};
