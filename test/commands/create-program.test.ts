import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { expect, test } from "vitest";
import { createProgram } from "../../src/commands/create-program.js";

interface Usage {
  /** Such as "keys rotate". */
  readonly name: string;
  /** The options that it does not run without. */
  readonly demands: readonly string[];
}

function usagesOf(command: Command, parents = ""): Usage[] {
  return command.commands.flatMap((child) => {
    const name = `${parents}${child.name()}`;
    if (child.commands.length > 0) return usagesOf(child, `${name} `);
    return [
      {
        name,
        demands: child.options.filter(({ mandatory }) => mandatory).map(({ flags }) => flags.split(" ")[0] ?? ""),
      },
    ];
  });
}

test("the README has every command of the program, with the options that it demands", () => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const section = readme.split("## Commands")[1]?.split("\n## ")[0] ?? "";
  const shown = [...section.matchAll(/`([^`]+)`/g)].map(([, code]) => `${code} `);
  const lacking = usagesOf(createProgram("0.0.0")).filter(
    ({ name, demands }) =>
      !shown.some((code) => code.startsWith(`${name} `) && demands.every((option) => code.includes(`${option} `))),
  );
  expect(lacking).toEqual([]);
});
