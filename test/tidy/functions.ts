// Owns: where functions begin and end, found from brackets alone. How long they may be is in rules.ts.
// (N1) A function reaches from the line of its name or first parameter to the line of its closing brace (or, for an arrow
//      without braces, the end of its expression).

import { isControl } from "./scan.ts";
import type { Token } from "./scan.ts";

export type Extent = { readonly name: string; readonly firstLine: number; readonly lastLine: number };

/** Words of a type that want another operand after them. */
const TYPE_OPERATORS = new Set([
  "is", "extends", "keyof", "readonly", "typeof", "infer", "asserts", "unique", "new", "|", "&", "?", ":", ".",
]);

export function functions(tokens: readonly Token[]): Extent[] {
  const found: Extent[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as Token;
    const end = token.text === "(" && token.kind === "punct" ? endAfterParameters(tokens, i) : endAfterName(tokens, i);
    if (end < 0) continue;
    const name = nameOf(tokens, i);
    found.push({ name: name.text, firstLine: name.line, lastLine: (tokens[end] as Token).line });
  }
  return found;
}

function endAfterName(tokens: readonly Token[], at: number): number {
  const isArrow = tokens[at]?.kind === "word" && tokens[at + 1]?.text === "=>" && tokens[at + 1]?.kind === "punct";
  return isArrow ? endOfArrow(tokens, at + 2) : -1;
}

/** Index of the last token of the function whose parameters open at `open`, or -1 when it is none. */
function endAfterParameters(tokens: readonly Token[], open: number): number {
  const close = tokens[open]?.partner ?? -1;
  if (close < 0 || isControl(tokens, open) || tokens[open - 2]?.text === "extends") return -1;
  const next = tokens[close + 1];
  if (next?.kind !== "punct") return -1;
  if (next.text === "{") return next.partner;
  if (next.text === "=>") return endOfArrow(tokens, close + 2);
  return next.text === ":" ? endAfterType(tokens, close + 2) : -1;
}

function endOfArrow(tokens: readonly Token[], at: number): number {
  const first = tokens[at];
  if (first?.text === "{" && first.kind === "punct") return first.partner;
  let i = at;
  for (; i < tokens.length; i++) {
    const token = tokens[i] as Token;
    if (token.kind !== "punct") continue;
    if ([",", ";", ")", "]", "}"].includes(token.text)) break;
    // No expression has a brace right after an operand: this is the function type that a function with a body returns.
    if (token.text === "{" && i > at && (tokens[i - 1]?.kind === "word" || ["]", ">"].includes(tokens[i - 1]?.text ?? ""))) return -1;
    if (token.partner > i) i = token.partner;
  }
  return i - 1;
}

/** Walks over a return type; what follows an operand and is a brace (or an arrow) starts the body. */
function endAfterType(tokens: readonly Token[], from: number): number {
  let wantsOperand = true;
  let lastGroup = "";
  for (let i = from; i < tokens.length; i++) {
    const token = tokens[i] as Token;
    const isPunct = token.kind === "punct";
    if (isPunct && token.text === "{" && !wantsOperand) return token.partner;
    if (isPunct && token.text === "=>" && lastGroup !== "(") return endOfArrow(tokens, i + 1);
    if (isPunct && [";", ",", ")", "]", "}", "="].includes(token.text)) return -1;
    if (isPunct && token.text === "<") i = endOfAngles(tokens, i);
    else if (isPunct && token.partner > i) i = token.partner;
    lastGroup = token.text;
    wantsOperand = TYPE_OPERATORS.has(token.text) || (isPunct && token.text === "=>");
  }
  return -1;
}

function endOfAngles(tokens: readonly Token[], from: number): number {
  let depth = 0;
  for (let i = from; i < tokens.length; i++) {
    const token = tokens[i] as Token;
    if (token.kind !== "punct") continue;
    if (token.text === "<") depth++;
    else if (token.text === ">") depth--;
    else if (token.partner > i) i = token.partner;
    if (depth === 0) return i;
  }
  return tokens.length;
}

/** The token that names the function: before its parameters and type parameters, or the first parameter itself. */
function nameOf(tokens: readonly Token[], at: number): Token {
  let before = at - 1;
  if (tokens[before]?.text === ">" && tokens[at]?.text === "(") while (before > 0 && tokens[before]?.text !== "<") before--;
  if (tokens[before]?.text === "<") before--;
  const name = tokens[before];
  const isName = tokens[at]?.text === "(" && name?.kind === "word";
  return isName ? name : (tokens[at] as Token);
}
