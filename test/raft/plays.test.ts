// Owns: running the plays in test/raft/plays. Each "play" line begins a new cluster; the first failing line fails its play.

import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { Play } from "./play.ts";

const folder = new URL("./plays/", import.meta.url);

type Script = { readonly name: string; readonly lines: { readonly at: string; readonly text: string }[] };

function scripts(): Script[] {
  const out: Script[] = [];
  for (const file of readdirSync(folder).sort()) {
    const lines = readFileSync(new URL(file, folder), "utf8").split("\n");
    for (const [number, line] of lines.entries()) {
      const text = line.replace(/#.*/, "").trim();
      if (text.startsWith("play ")) out.push({ name: `${file}: ${text.slice(5)}`, lines: [] });
      else if (text !== "") out.at(-1)?.lines.push({ at: `${file}:${number + 1}: ${text}`, text });
    }
  }
  return out;
}

for (const { name, lines } of scripts()) {
  test(name, () => {
    const play = new Play();
    for (const { at, text } of lines) {
      try {
        play.run(text);
      } catch (error) {
        throw new Error(`${at}\n${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
    }
  });
}
