// The house rules, run over src, test and bench. Each rule is also run over made-up files (tidy/examples.ts), one that breaks it
// and one that comes close but keeps it, so that no rule can fall silent unnoticed.

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { examples } from "./tidy/examples.ts";
import { readTree, sourceFile } from "./tidy/files.ts";
import { functions } from "./tidy/functions.ts";
import { rules } from "./tidy/rules.ts";
import { scan } from "./tidy/scan.ts";
import type { Finding } from "./tidy/layers.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const files = readTree(root, ["src", "test", "bench"]);

function report(findings: readonly Finding[]): string {
  return findings.map(({ path, line, advice }) => `\n${path}:${line}: ${advice}`).join("");
}

describe("the house rules hold", () => {
  test("the tree was read", () => {
    assert.ok(files.some((file) => file.path === "src/limits.ts") && files.some((file) => file.path === "test/tidy.test.ts"));
  });
  for (const rule of rules) test(rule.name, () => assert.equal(report(rule.check(files)), ""));
});

describe("each house rule sees what it is for", () => {
  for (const rule of rules) {
    test(rule.name, () => {
      const own = examples.filter((each) => each.rule === rule.name);
      assert.ok(own.some((each) => each.findings > 0) && own.some((each) => each.findings === 0), "needs a breaking and a keeping example");
      for (const { files: texts, findings } of own) {
        const found = rule.check(Object.entries(texts).map(([path, text]) => sourceFile(path, text)));
        assert.equal(found.length, findings, `${JSON.stringify(texts).slice(0, 300)}${report(found)}`);
      }
    });
  }
  test("no example names an unknown rule", () => {
    assert.deepEqual(examples.filter((each) => !rules.some((rule) => rule.name === each.rule)), []);
  });
});

describe("the scanner", () => {
  function words(source: string): string[] {
    return scan(source).tokens.filter((token) => token.kind === "word").map((token) => token.text);
  }

  test("keeps words of strings, comments, templates and regular expressions out (S1)", () => {
    assert.deepEqual(words("a 'b' \"c\\\"d\" // e\n/* f */ g"), ["a", "g"]);
    assert.deepEqual(words("`a ${b + `c ${d}` + { e: `}` }.e} f` + g"), ["b", "d", "e", "e", "g"]);
    assert.deepEqual(words("x = /a[/]b'\\/c/gi.test(y) / z / w"), ["x", "test", "y", "z", "w"]);
    assert.deepEqual(words("return /'/.exec(a); if (b) /`/.test(c); (d) / e; f[0] / g; h! / i; !/j\"/.test(k)"), [
      "return", "exec", "a", "if", "b", "test", "c", "d", "e", "f", "g", "h", "i", "test", "k",
    ]);
    assert.deepEqual(words("1 / a / 2; 0xff / b; 1e3 / c; 1..toString() / d"), ["a", "b", "c", "toString", "d"]);
  });

  test("pairs brackets (S2)", () => {
    const { tokens } = scan("f({ a: [`${b}`] })");
    const pairs = tokens.flatMap((token, i) => (token.partner > i ? [`${token.text}${tokens[token.partner]?.text}`] : []));
    assert.deepEqual(pairs, ["()", "{}", "[]", "${}"]);
    assert.ok(tokens.every((token, i) => token.partner < 0 || tokens[token.partner]?.partner === i));
  });

  test("every file of the tree pairs all its brackets", () => {
    for (const file of files) {
      const lone = file.tokens.filter((token) => token.kind === "punct" && /^(\$?\{|[()[\]}])$/.test(token.text) && token.partner < 0);
      assert.deepEqual(lone.map((token) => `${file.path}:${token.line} ${token.text}`), []);
    }
  });

  test("finds functions of every form (N1)", () => {
    const cases: [string, string, number][] = [
      ["function f(a: number): Map<string, { b: 1 }> {\n\n}", "f", 3],
      ["class A { private async m<T>(\na: T): asserts a is B {\n} }", "m", 3],
      ["class A { get m(): { a: number } | undefined {\n} }", "m", 2],
      ["const g = (a: number): string[] => {\n}", "(", 2],
      ["const g = a => {\n\n}", "a", 3],
      ["h((a) =>\nk(a,\n1), 2)", "(", 3],
      ["const o = { m(): () => void {\n} }", "m", 2],
    ];
    for (const [source, name, lines] of cases) {
      const found = functions(scan(source).tokens).map((each) => [each.name, each.lastLine - each.firstLine + 1]);
      assert.deepEqual(found, [[name, lines]], source);
    }
  });

  test("takes no statement, call or type for a function", () => {
    const source = "if (a) {\n} for (const b of c) {\n} while (d) {\n} try { } catch (h) {\n} x ? y(1) : z(2);";
    assert.deepEqual(functions(scan(source).tokens), []);
    assert.deepEqual(functions(scan("switch (e(1)) { case f(2): { g(); } }").tokens), []);
    assert.deepEqual(functions(scan("interface A { b(c: number): { d: 1 }; }").tokens), []);
    assert.deepEqual(functions(scan("class A extends mixin(B) { }").tokens), []);
  });
});
