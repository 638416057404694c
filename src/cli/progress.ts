// Owns: how a command that takes a while shows how far it is, on stderr: one line that is written over on a terminal, now and then a line
// elsewhere.

import { limits } from "../limits.ts";
import type { Io } from "./output.ts";

const MIB = 1024 * 1024;

export type Progress = { at(done: number): void; end(): void };
/** What is shown of how much is done, and at which rate. */
export type Words = (done: number, perSecond: number) => string;

const bytesInWords: Words = (bytes, perSecond) => `${inWords(bytes)}, ${inWords(perSecond)} a second`;

export function progress({ stderr, system }: Io, what: string, words = bytesInWords): Progress {
  const beganMs = system.monotonicMs();
  const everyMs = stderr.isTTY === true ? limits.devRedrawMs : limits.progressMs;
  let shownMs = beganMs;
  let isShown = false;
  const at = (done: number): void => {
    const nowMs = system.monotonicMs();
    if (nowMs - shownMs < everyMs) return;
    shownMs = nowMs;
    const line = `${what}: ${words(done, (done * 1000) / (nowMs - beganMs))}`;
    stderr.write(stderr.isTTY === true ? `\r${line}   ` : `${line}\n`);
    isShown = true;
  };
  return { at, end: () => void (isShown && stderr.isTTY === true && stderr.write("\n")) };
}

const BAR_CHARS = 24;

/** "[######------] 50 %", for a share between 0 and 1. */
export function bar(share: number): string {
  const full = Math.floor(share * BAR_CHARS);
  return `[${"#".repeat(full)}${"-".repeat(BAR_CHARS - full)}] ${Math.floor(share * 100)} %`;
}

/** "12 KiB", "3.25 MiB". */
export function inWords(bytes: number): string {
  if (bytes < MIB) return `${Math.ceil(bytes / 1024)} KiB`;
  return `${(bytes / MIB).toFixed(bytes < 10 * MIB ? 2 : 0)} MiB`;
}
