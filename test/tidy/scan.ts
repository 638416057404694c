// Owns: turning TypeScript text into tokens and comments, just well enough for the house rules. The compiler in use has no API
// to ask, so strings, comments, templates and regular expressions are told apart here. What the rules are is in rules.ts.
// (S1) A word inside a string, comment, template text or regular expression never becomes a word token.
// (S2) Every bracket token knows its partner; `${` and the `}` that ends it are partners too.

export type TokenKind = "word" | "number" | "string" | "regex" | "punct";

export type Token = {
  readonly kind: TokenKind;
  /** For strings the text between the quotes, as written. */
  readonly text: string;
  readonly line: number;
  /** True when no white space stands between this token and the one before. */
  readonly glued: boolean;
  /** Index of the partner of a bracket, -1 otherwise. */
  partner: number;
};

export type Comment = { readonly text: string; readonly line: number; readonly at: number };

export type Scan = { readonly tokens: Token[]; readonly comments: Comment[] };

type State = {
  readonly source: string;
  at: number;
  line: number;
  lastEnd: number;
  readonly tokens: Token[];
  readonly comments: Comment[];
  /** Indexes of the brackets that are open. */
  readonly open: number[];
};

const WORD = /[\p{ID_Start}$_#@][\p{ID_Continue}$\u200c\u200d]*/uy;
const NUMBER = /0[xob][\da-f_]+n?|(?:\d[\d_]*)?\.?\d[\d_]*(?:\.(?!\.))?(?:e[+-]?\d+)?n?/iy;
const PUNCT = /\.\.\.|=>|\?\.(?!\d)|\?\?|\+\+|--|&&|\|\||[\s\S]/y;
const REGEX = /\/(?![*/])(?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
const OPENERS: Readonly<Record<string, string>> = { ")": "(", "]": "[" };

/** Words after which a slash starts a regular expression, although other words end an operand. */
const OPERATOR_WORDS = new Set([
  "return", "typeof", "case", "in", "of", "do", "else", "void", "delete", "throw", "new", "instanceof", "await", "yield",
]);

export function scan(source: string): Scan {
  const state: State = { source, at: 0, line: 1, lastEnd: 0, tokens: [], comments: [], open: [] };
  if (source.startsWith("#!")) skipTo(state, source.indexOf("\n") < 0 ? source.length : source.indexOf("\n"));
  while (state.at < source.length) step(state);
  return { tokens: state.tokens, comments: state.comments };
}

function step(state: State): void {
  const { source, at } = state;
  const char = source[at] as string;
  if (/\s/.test(char)) skipTo(state, at + 1);
  else if (source.startsWith("//", at)) comment(state, source.indexOf("\n", at));
  else if (source.startsWith("/*", at)) comment(state, source.indexOf("*/", at + 2) + 2);
  else if (char === '"' || char === "'") quoted(state, char);
  else if (char === "`") templateText(state, at + 1);
  else if (char === "}" && opensTemplate(state)) {
    punct(state, "}");
    templateText(state, state.at);
  } else if (char === "/" && operandExpected(state) && match(REGEX, source, at)) push(state, "regex", match(REGEX, source, at));
  else if (match(NUMBER, source, at)) push(state, "number", match(NUMBER, source, at));
  else if (match(WORD, source, at)) push(state, "word", match(WORD, source, at));
  else punct(state, match(PUNCT, source, at));
}

function match(pattern: RegExp, source: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0] ?? "";
}

function skipTo(state: State, to: number): void {
  for (let i = state.at; i < to; i++) if (state.source[i] === "\n") state.line++;
  state.at = to;
}

function push(state: State, kind: TokenKind, raw: string, text = raw): void {
  state.tokens.push({ kind, text, line: state.line, glued: state.lastEnd === state.at, partner: -1 });
  skipTo(state, state.at + raw.length);
  state.lastEnd = state.at;
}

function comment(state: State, foundEnd: number): void {
  const end = foundEnd < state.at + 2 ? state.source.length : foundEnd;
  state.comments.push({ text: state.source.slice(state.at, end), line: state.line, at: state.at });
  skipTo(state, end);
}

function quoted(state: State, quote: string): void {
  let end = state.at + 1;
  while (end < state.source.length && state.source[end] !== quote) end += state.source[end] === "\\" ? 2 : 1;
  push(state, "string", state.source.slice(state.at, end + 1), state.source.slice(state.at + 1, end));
}

/** Reads template text from `from` to the closing backtick or to the next `${`, which is pushed as an opening bracket. */
function templateText(state: State, from: number): void {
  const { source } = state;
  let end = from;
  while (end < source.length && source[end] !== "`" && !source.startsWith("${", end)) end += source[end] === "\\" ? 2 : 1;
  const closed = source[end] === "`" || end >= source.length;
  push(state, "string", source.slice(state.at, closed ? end + 1 : end), source.slice(from, end));
  if (!closed) punct(state, "${");
}

function opensTemplate(state: State): boolean {
  return state.tokens[state.open.at(-1) ?? -1]?.text === "${";
}

function punct(state: State, text: string): void {
  const index = state.tokens.length;
  push(state, "punct", text);
  if (text === "(" || text === "[" || text === "{" || text === "${") state.open.push(index);
  if (text !== ")" && text !== "]" && text !== "}") return;
  const opener = state.open.at(-1) ?? -1;
  const expected = OPENERS[text];
  if (opener < 0 || (expected !== undefined && state.tokens[opener]?.text !== expected)) return;
  state.open.pop();
  (state.tokens[opener] as Token).partner = index;
  (state.tokens[index] as Token).partner = opener;
}

/** Whether a slash at this place starts a regular expression rather than divides. */
function operandExpected(state: State): boolean {
  const last = state.tokens.at(-1);
  if (last === undefined) return true;
  if (last.kind === "word") return OPERATOR_WORDS.has(last.text);
  if (last.kind !== "punct") return false;
  if (last.text === ")") return isControl(state.tokens, last.partner);
  if (last.text === "!" && last.glued) return !endsOperand(state.tokens.at(-2));
  return !["]", "}", "++", "--"].includes(last.text);
}

function endsOperand(token: Token | undefined): boolean {
  return token !== undefined && (token.kind === "word" ? !OPERATOR_WORDS.has(token.text) : token.text === ")" || token.text === "]");
}

/** Whether the round bracket at `open` belongs to if, for, while and the like, so that no function and no operand ends with it. */
export function isControl(tokens: readonly Token[], open: number): boolean {
  const before = tokens[open - 1]?.text;
  if (before === "await") return tokens[open - 2]?.text === "for";
  const words = ["if", "for", "while", "switch", "catch", "with"];
  return words.includes(before ?? "") && tokens[open - 2]?.text !== "." && tokens[open - 2]?.text !== "?.";
}
