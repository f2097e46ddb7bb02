/** Prints the schema to schema.graphql; with --check, fails where the committed file differs. */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { lexicographicSortSchema, printSchema } from "graphql";
import { buildPublicSchema } from "./schema.js";

const file = path.join(import.meta.dirname, "../../schema.graphql");
const printed = `${printSchema(lexicographicSortSchema(buildPublicSchema()))}\n`;

if (process.argv.includes("--check")) {
  const committed = await readFile(file, "utf8").catch(() => "");
  if (committed !== printed) {
    process.stderr.write("schema.graphql differs from the code. Run `npm run schema` and look at the difference.\n");
    process.exitCode = 1;
  }
} else await writeFile(file, printed);
