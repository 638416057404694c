// Owns: the options of commands that work on the data directory of a node which does not run, and the settings that they name.

import type { Command } from "commander";
import { parseToken } from "../base/token.ts";
import { loadConfig } from "../config.ts";
import type { Config } from "../config.ts";
import type { Context, GlobalOptions } from "./context.ts";

export type DirectoryOptions = GlobalOptions & {
  readonly config?: string | undefined;
  readonly nodeId?: string | undefined;
  readonly dataDir?: string | undefined;
};

export function addDirectory(command: Command): Command {
  return command
    .option("--config <file>", "TOML file of settings, as for `pawl start`")
    .option("--node-id <value>", "name of the node (PAWL_NODE_ID)")
    .option("--data-dir <value>", "folder of the node's data (PAWL_NODE_DATA_DIR)");
}

export function configOf({ config, nodeId, dataDir }: DirectoryOptions, { io }: Context): Config {
  return loadConfig({ file: config, flags: { "node-id": nodeId, "data-dir": dataDir }, env: io.env });
}

/** Counter of a fencing token as targets see it; 0 when none is given. */
export function floorOf(token: string | undefined): number {
  return token === undefined ? 0 : parseToken(token).counter + 1;
}

export const floorOption = [
  "--token-floor <token>", "a fencing token that all later ones must exceed, where targets have seen higher ones than the clock allows for",
] as const;
