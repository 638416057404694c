// Owns: how a command that takes a while shows how far it is, on stderr: one line that is written over on a terminal, now and then a line
// elsewhere.

import { limits } from "../limits.ts";
import type { Io } from "./output.ts";

const MIB = 1024 * 1024;

export type Progress = { at(bytes: number): void; end(): void };

export function progress({ stderr, system }: Io, what: string): Progress {
  const beganMs = system.monotonicMs();
  const everyMs = stderr.isTTY === true ? limits.devRedrawMs : limits.progressMs;
  let shownMs = beganMs;
  let isShown = false;
  const at = (bytes: number): void => {
    const nowMs = system.monotonicMs();
    if (nowMs - shownMs < everyMs) return;
    shownMs = nowMs;
    const line = `${what}: ${inWords(bytes)}, ${inWords((bytes * 1000) / (nowMs - beganMs))} a second`;
    stderr.write(stderr.isTTY === true ? `\r${line}   ` : `${line}\n`);
    isShown = true;
  };
  return { at, end: () => void (isShown && stderr.isTTY === true && stderr.write("\n")) };
}

/** "12 KiB", "3.25 MiB". */
export function inWords(bytes: number): string {
  if (bytes < MIB) return `${Math.ceil(bytes / 1024)} KiB`;
  return `${(bytes / MIB).toFixed(bytes < 10 * MIB ? 2 : 0)} MiB`;
}
