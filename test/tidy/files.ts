// Owns: the checked files as values: path from the root, text, tokens, comments and imports. Reading the tree happens here only.

import { readFileSync, readdirSync } from "node:fs";
import { join, posix } from "node:path";
import { scan } from "./scan.ts";
import type { Comment, Token } from "./scan.ts";

export type Import = {
  /** As written. */
  readonly specifier: string;
  /** Path from the root for a relative import, undefined for a package. */
  readonly path: string | undefined;
  readonly typeOnly: boolean;
  readonly line: number;
};

export type SourceFile = {
  /** With forward slashes, from the project's root: "src/raft/core.ts". */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  readonly tokens: readonly Token[];
  readonly comments: readonly Comment[];
  readonly imports: readonly Import[];
};

export function sourceFile(path: string, text: string): SourceFile {
  const { tokens, comments } = scan(text);
  return { path, text, lines: text.replace(/\n$/, "").split("\n"), tokens, comments, imports: importsOf(path, tokens) };
}

/** All TypeScript and JavaScript under `folders` of `root`. */
export function readTree(root: string, folders: readonly string[]): SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile() && /\.(ts|js|mjs)$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => sourceFile(path.slice(root.length + 1).replaceAll("\\", "/"), readFileSync(path, "utf8"))),
  );
}

function importsOf(path: string, tokens: readonly Token[]): Import[] {
  const found: Import[] = [];
  tokens.forEach((token, i) => {
    if (token.kind !== "word" || tokens[i - 1]?.text === ".") return;
    const specifier = specifierAfter(tokens, i);
    if (specifier === undefined) return;
    const typeOnly = tokens[i + 1]?.text === "type" && tokens[i + 2]?.text !== "from";
    const relative = specifier.startsWith(".") ? posix.join(posix.dirname(path), specifier) : undefined;
    found.push({ specifier, path: relative, typeOnly, line: token.line });
  });
  return found;
}

/** The specifier of an import, re-export, dynamic import, or worker file named by URL that starts at `at`. */
function specifierAfter(tokens: readonly Token[], at: number): string | undefined {
  const word = tokens[at]?.text;
  const next = tokens[at + 1];
  if (word === "import" && next?.kind === "string") return next.text;
  if (word === "import" && next?.text === "(") return stringAt(tokens, at + 2);
  if (word === "URL" && next?.text === "(" && /^\..*\.[tj]s$/.test(stringAt(tokens, at + 2) ?? "")) return stringAt(tokens, at + 2);
  if (word !== "import" && word !== "export") return undefined;
  if (word === "export" && !["type", "{", "*"].includes(next?.text ?? "")) return undefined;
  for (let i = at + 1; i < tokens.length && tokens[i]?.text !== ";" && tokens[i]?.text !== "="; i++) {
    const token = tokens[i] as Token;
    if (token.text === "from" && token.kind === "word" && stringAt(tokens, i + 1) !== undefined) return stringAt(tokens, i + 1);
    if (token.partner > i) i = token.partner;
  }
  return undefined;
}

function stringAt(tokens: readonly Token[], at: number): string | undefined {
  return tokens[at]?.kind === "string" ? tokens[at].text : undefined;
}
