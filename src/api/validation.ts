// Owns: the check of a value against its schema, and what is said of each field that does not fit. The schemas are in schemas.ts.

import { Compile } from "typebox/compile";
import { Value } from "typebox/value";
import type { Static, TSchema } from "typebox";
import type { PawlError } from "../base/errors.ts";
import { InputError } from "./problem.ts";
import type { FieldError } from "./problem.ts";
import { laterFields } from "./schemas.ts";

export type Validator = (value: unknown) => { value: unknown } | { error: PawlError };

/** In the form that Fastify asks for. Texts of a query become what their schema says. */
export function validator(schema: TSchema, isBody: boolean): Validator {
  const compiled = Compile(schema);
  return (value) => {
    const converted = isBody || isEmpty(value) ? value : Value.Convert(schema, value);
    return compiled.Check(converted) ? { value: converted } : { error: inputError(compiled.Errors(converted), isBody) };
  };
}

/** As most queries are: to convert one costs as much as to check a body. */
function isEmpty(value: unknown): boolean {
  for (const _ in value as object) return false;
  return true;
}

/** Returns a body as it is, or throws an InputError, in which it is called `what`. */
export function bodyCheck<Schema extends TSchema>(schema: Schema, what: string): (value: unknown) => Static<Schema> {
  const compiled = Compile(schema);
  return (value) => {
    if (compiled.Check(value)) return value;
    throw inputError(compiled.Errors(value), true, what);
  };
}

type SchemaError = ReturnType<ReturnType<typeof Compile>["Errors"]>[number];

/** Says each wrong field once. A field that only a later version knows is a request that cannot be done, not a malformed one. */
function inputError(found: readonly SchemaError[], isBody: boolean, what = isBody ? "the body" : "the query"): InputError {
  const errors = new Map<string, FieldError>();
  for (const each of found) {
    for (const error of fieldErrors(each, what)) if (!errors.has(error.field)) errors.set(error.field, error);
  }
  const all = [...errors.values()];
  const later = isBody ? all.filter(({ field }) => laterFields.has(field)) : [];
  if (later.length === 0 || later.length < all.length) return new InputError("invalid", all);
  return new InputError("unprocessable", later.map(({ field }) => ({ field, detail: `${field}: not supported by this version` })));
}

function fieldErrors(error: SchemaError, what: string): FieldError[] {
  const at = error.instancePath.slice(1).split("/").filter((part) => part !== "").join(".");
  const inner = (name: string): string => (at === "" ? name : `${at}.${name}`);
  if (error.keyword === "required") {
    return error.params.requiredProperties.map((name) => ({ field: inner(name), detail: `${inner(name)}: is required` }));
  }
  if (error.keyword === "additionalProperties") {
    return error.params.additionalProperties.map((name) => ({ field: inner(name), detail: `${inner(name)}: there is no such field` }));
  }
  if (error.keyword === "boolean") return [];
  return [{ field: at, detail: at === "" ? `${what} ${error.message}` : `${at}: ${messageFor(error)}` }];
}

function messageFor(error: SchemaError): string {
  return error.keyword === "enum" ? `must be one of ${error.params.allowedValues.join(", ")}` : error.message;
}
