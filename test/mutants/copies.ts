// Owns: the private copies of the checkout that mutants are put into. The checkout itself is never changed, and what is changed in it
// during the run does not count.

import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { edited, occurrences } from "./mutant.ts";
import type { Edit } from "./mutant.ts";

const PARTS = ["src", "test", "bench", "package.json", "tsconfig.json"];

export class Copies {
  private readonly folder = mkdtempSync(join(tmpdir(), "pawl-mutants-"));
  private made = 0;

  constructor(root: string) {
    for (const part of PARTS) cpSync(join(root, part), join(this.folder, "sound", part), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(this.folder, "node_modules"));
  }

  /** A copy with these edits. Throws when one of them does not apply exactly once. */
  make(edits: readonly Edit[] = []): string {
    const copy = join(this.folder, String(++this.made));
    cpSync(join(this.folder, "sound"), copy, { recursive: true });
    for (const edit of edits) {
      const file = join(copy, edit.file);
      const text = readFileSync(file, "utf8");
      const count = occurrences(text, edit);
      if (count !== 1) throw new Error(`${edit.file} has ${JSON.stringify(edit.find.slice(0, 60))} ${count} times`);
      writeFileSync(file, edited(text, edit));
    }
    return copy;
  }

  remove(copy: string): void {
    rmSync(copy, { recursive: true, force: true });
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
