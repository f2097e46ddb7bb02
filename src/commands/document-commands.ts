import type { Command } from "commander";

/** The actions are loaded when they run: with everything they need, help would take a second. */
export function addDocumentCommands(program: Command): void {
  const documents = program
    .command("documents")
    .description("GraphQL documents that clients ask for by their id (see docs/dashboards.md).");
  documents
    .command("register")
    .description(
      "Register the documents of a manifest, all or none; prints how many are new. Safe to run again, and before each deploy of a front end.",
    )
    .argument(
      "<manifest>",
      "a file of generate-persisted-query-manifest, relay-compiler or graphql-codegen; - for stdin",
    )
    .action(async (file: string) => {
      const { registerManifest } = await import("./document-actions.js");
      await registerManifest(file);
    });
  documents
    .command("list")
    .description("Show the registered documents, newest first, under each of their ids.")
    .option("--json", "as one JSON array, with their texts")
    .action(async (options: { json?: true }) => {
      const { listRegistered } = await import("./document-actions.js");
      await listRegistered(options);
    });
  documents
    .command("remove")
    .description("Remove documents under all of their ids. Servers answer them for a minute more.")
    .argument("<ids...>", "which")
    .action(async (ids: string[]) => {
      const { removeRegistered } = await import("./document-actions.js");
      await removeRegistered(ids);
    });
}
