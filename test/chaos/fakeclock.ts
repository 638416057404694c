// Owns: the wall clock of one node, moved by libfaketime where that is installed. Its monotonic clock stays true.

import { existsSync, renameSync, writeFileSync } from "node:fs";

const libraries = ["x86_64-linux-gnu", "aarch64-linux-gnu"].map((kind) => `/usr/lib/${kind}/faketime/libfaketimeMT.so.1`);

/** Why no clock can be moved here; undefined when it can. */
export function noFakeClock(): string | undefined {
  return libraries.some((path) => existsSync(path)) ? undefined : "libfaketime is not installed";
}

export class FakeClock {
  private readonly file: string;

  /** `file` is a path that nothing else uses. */
  constructor(file: string) {
    this.file = file;
    this.set(0);
  }

  get env(): Readonly<Record<string, string>> {
    return {
      LD_PRELOAD: libraries.find((path) => existsSync(path)) ?? "",
      FAKETIME_TIMESTAMP_FILE: this.file, FAKETIME_NO_CACHE: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
  }

  /** From now on the clock is ahead by so much. */
  set(aheadSeconds: number): void {
    const fresh = `${this.file}.new`;
    writeFileSync(fresh, `${aheadSeconds < 0 ? "" : "+"}${aheadSeconds}\n`);
    renameSync(fresh, this.file);
  }
}
