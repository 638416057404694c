// Owns: small files of a data directory that must be there after a crash, whole or not at all.

import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** The file has this text when it returns, however often the machine fails; before that, what it had. */
export function writeDurably(file: string, text: string): void {
  const fresh = `${file}.new`;
  writeSynced(fresh, text);
  renameSync(fresh, file);
  syncDir(dirname(file));
}

/** It is gone for good when it returns, if it was there. */
export function removeDurably(file: string): void {
  rmSync(file, { force: true });
  syncDir(dirname(file));
}

function writeSynced(file: string, text: string): void {
  const handle = openSync(file, "w", 0o600);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

export function syncDir(path: string): void {
  const handle = openSync(path, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
