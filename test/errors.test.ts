import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ERROR_CATALOGUE, errorTable } from "../src/errors.js";

/** The cells of a Markdown table, however wide its columns are. */
function cellsOf(table: string): string[][] {
  const rows = table.split("\n").filter((line) => line.startsWith("|"));
  return rows.map((row) => row.split("|").map((cell) => cell.trim().replace(/^-+$/, "-")));
}

function pageOf(name: string): string {
  return readFileSync(new URL(`../${name}`, import.meta.url), "utf8");
}

test("docs/errors.md has the codes of the program, with what they mean and what to do", () => {
  expect(cellsOf(pageOf("docs/errors.md").split("<!-- errors -->")[1] ?? "")).toEqual(cellsOf(errorTable()));
});

test("the README tells every code as the catalogue does", () => {
  const readme = cellsOf(pageOf("README.md"));
  for (const [code, { status, meaning }] of Object.entries(ERROR_CATALOGUE)) {
    expect(readme).toContainEqual(["", `\`${code}\``, String(status), meaning, ""]);
  }
});
