// Owns: the text of a cursor: which part of a list it stands in, by a letter, and where.

import { PawlError } from "../base/errors.ts";

/** A part's letter, and the place in it: a number, in part "h" also two with a dot, or an id in part "e". None without a cursor. */
export function cursorOf(cursor: string | undefined, first: string, second: string): [string, string | undefined] {
  if (cursor === undefined) return [first, undefined];
  const [, part, place] = /^(\w):(.{1,256})$/s.exec(cursor) ?? [];
  const isPlace = part === "e" || (part === "h" ? /^\d{1,16}(?:\.\d{1,16})?$/ : /^\d{1,16}$/).test(place ?? "");
  if (part !== undefined && (part === first || part === second) && isPlace) return [part, place];
  throw new PawlError("invalid", "cursor: not one that a page of this list ended with", { field: "cursor" });
}
