/**
 * The rules of the code, among them who may import whom. What stands in `ORDER` may import what stands before it and nothing
 * that stands after it, so that a change can be followed in one direction: from what knows nothing of the product (time,
 * the database) through what an event means to the doors (HTTP, the command line).
 */
import { readdirSync } from "node:fs";
import { defineConfig, type OxlintOverride } from "oxlint";

interface Layer {
  readonly folder: string;
  /** Packages that are a matter of this folder, though they are none of others'. */
  readonly packages?: readonly string[];
  readonly noSql?: true;
}

/** The folders of src, each after all that it may import. */
const ORDER: readonly Layer[] = [
  { folder: "time" },
  { folder: "observability" },
  { folder: "database", packages: ["pg"] },
  // Before tenancy: a cache is handed its tenant's version and asks nobody for it.
  { folder: "cache", packages: ["ioredis"], noSql: true },
  // Before tenancy, whose changes are kept as well: entries are written in a session that is handed in.
  { folder: "audit" },
  { folder: "tenancy" },
  { folder: "access", packages: ["jose"] },
  { folder: "documents" },
  { folder: "pages", noSql: true },
  { folder: "events" },
  { folder: "campaigns" },
  // Rollups are written there and read by metrics, which therefore knows how they look, and not the other way round.
  { folder: "rollups" },
  { folder: "metrics" },
  { folder: "ingest" },
  // Erases and exports what all of the above hold of a person.
  { folder: "privacy" },
  { folder: "graphql", packages: ["graphql"], noSql: true },
  // Knows neither of the two above: it is handed what answers.
  { folder: "http", packages: ["fastify"], noSql: true },
  { folder: "demo", noSql: true },
  { folder: "commands" },
];

/** The files of src itself that every folder may import; the others put the program together and are for commands alone. */
const FOUNDATION = [
  "config",
  "config-variables",
  "copy-to-keep",
  "decimal",
  "errors",
  "growing-lru",
  "ids",
  "ordered-json",
  "record-of",
  "text-faults",
  "within-time",
  "work-loop",
];

const PACKAGES = ORDER.flatMap(({ packages }) => packages ?? []);

assertComplete();

function assertComplete(): void {
  const entries = readdirSync(new URL("src", import.meta.url), { withFileTypes: true });
  for (const entry of entries.filter((candidate) => candidate.isDirectory())) {
    if (!ORDER.some(({ folder }) => folder === entry.name)) throw new Error(`src/${entry.name} has no place in ORDER.`);
  }
}

interface Ban {
  readonly regex: string;
  readonly message: string;
}

function banOnPackages(names: readonly string[]): Ban {
  return {
    regex: `^(${names.join("|")})(/|$)`,
    message: "This package is the matter of one folder (packages in oxlint.config.ts), which wraps it for the others.",
  };
}

function bansOn(layer: Layer, place: number): Ban[] {
  const later = ORDER.slice(place + 1).map(({ folder }) => folder);
  return [
    ...(later.length === 0
      ? []
      : [
          {
            regex: String.raw`^(\.\./)+(${later.join("|")})/`,
            message: "Imports run one way (ORDER in oxlint.config.ts): this folder comes later. Hand it in instead.",
          },
        ]),
    ...(layer.folder === "commands" ? [] : [COMPOSITION]),
    banOnPackages(PACKAGES.filter((name) => layer.packages?.includes(name) !== true)),
    ...(layer.noSql === true
      ? [
          {
            regex: String.raw`/database/(statement|parameters|migrate)\.js$`,
            message: "No SQL here: rows are read and written by the folders that know what they mean.",
          },
        ]
      : []),
  ];
}

const COMPOSITION: Ban = {
  regex: String.raw`^(\.\./)+(cli|serve|work|start|runtime|installation|load-secret|open-[a-z-]+|create-[a-z-]+)\.js$`,
  message: "Only commands and the composition roots put the program together; what this needs is handed to it.",
};

const directions: OxlintOverride[] = ORDER.flatMap((layer, place) => [
  directionsOf(layer, place, `src/${layer.folder}/**/*.ts`),
  // The tenant is set in the round trip of BEGIN, which has no place for parameters: pg's own quoting does it.
  ...(layer.folder === "tenancy"
    ? [directionsOf({ ...layer, packages: ["pg"] }, place, "src/tenancy/transactions.ts")]
    : []),
]);

function directionsOf(layer: Layer, place: number, files: string): OxlintOverride {
  return { files: [files], rules: { "no-restricted-imports": ["error", { patterns: bansOn(layer, place) }] } };
}

// oxlint-disable-next-line import/no-default-export -- oxlint reads nothing else
export default defineConfig({
  plugins: ["typescript", "import", "unicorn", "promise", "oxc", "node", "vitest"],
  categories: { correctness: "error", suspicious: "error", perf: "error" },
  rules: {
    // A copy with one change is clearer than a mutation, and none of them is on a hot path that a profile names.
    "oxc/no-map-spread": "off",
    "vitest/valid-expect": ["error", { maxArgs: 2 }],
    "vitest/expect-expect": ["error", { assertFunctionNames: ["expect", "expect*", "assert", "fc.assert"] }],
    "typescript/no-explicit-any": "error",
    "typescript/consistent-type-imports": "error",
    // Circles of types alone too: they read as badly, and become real ones with one value.
    "import/no-cycle": ["error", { ignoreTypes: false }],
    "import/no-default-export": "error",
    // Decorators need it before anything else, and it exports nothing.
    "import/no-unassigned-import": ["error", { allow: ["reflect-metadata", "**/*.css"] }],
    "unicorn/filename-case": ["error", { case: "kebabCase" }],
    // Most loops here wait on purpose: one statement after the other in one transaction.
    "no-await-in-loop": "off",
    "no-console": "error",
    "no-underscore-dangle": ["error", { allow: ["__typename"] }],
    "no-warning-comments": ["error", { terms: ["todo", "fixme", "xxx"], location: "start" }],
    "vitest/no-focused-tests": "error",
    "vitest/no-disabled-tests": "error",
    "vitest/warn-todo": "error",
  },
  overrides: [
    {
      files: ["src/**/*.ts"],
      rules: {
        // Settings are read once, where a program starts, and are checked there.
        "node/no-process-env": "error",
        "max-lines": ["error", { max: 350 }],
      },
    },
    { files: ["src/commands/open-command.ts"], rules: { "node/no-process-env": "off" } },
    ...directions,
    {
      // Composition roots: all folders are open to them, except the packages that folders wrap.
      files: ["src/*.ts"],
      rules: {
        "no-restricted-imports": [
          "error",
          {
            patterns: [banOnPackages(PACKAGES)],
          },
        ],
      },
    },
    {
      // Below all folders, hence without any of them.
      files: FOUNDATION.map((name) => `src/${name}.ts`),
      rules: {
        "no-restricted-imports": [
          "error",
          {
            patterns: [
              {
                regex: `^\\./(${ORDER.map(({ folder }) => folder)
                  .filter((folder) => folder !== "observability")
                  .join("|")})/`,
                message: "Every folder may import this file, so it imports none of them.",
              },
              { ...COMPOSITION, regex: COMPOSITION.regex.replace(String.raw`(\.\./)+`, String.raw`\./`) },
            ],
          },
        ],
      },
    },
    {
      files: ["test/**/*.ts"],
      rules: {
        // A query or a wording that one test asks with stands best in that test; nothing here runs often.
        "unicorn/consistent-function-scoping": "off",
        "no-restricted-globals": [
          "error",
          { name: "setTimeout", message: "A test waits for what it wants to see: test/support/wait-for.ts." },
        ],
        "no-restricted-imports": [
          "error",
          {
            paths: [
              {
                name: "node:timers/promises",
                message: "A test waits for what it wants to see: test/support/wait-for.ts.",
              },
            ],
          },
        ],
      },
    },
  ],
  ignorePatterns: ["dist"],
});
