import type { Command } from "commander";

/** The actions are loaded when they run: with everything they need, help would take a second. */
export function addServerCommands(program: Command): void {
  program
    .command("start")
    .description("Serve and work in one process; without configured databases on an embedded one, with a demo tenant.")
    .action(async () => (await import("./server-actions.js")).runStart());
  program
    .command("serve")
    .description("Answer GraphQL over HTTP.")
    .action(async () => (await import("./server-actions.js")).runServe());
  program
    .command("work")
    .description("Record accepted events and keep the rollups.")
    .action(async () => (await import("./server-actions.js")).runWork());
  program
    .command("migrate")
    .description("Bring both databases to the newest schema. Safe beside running programs, and to run again.")
    .action(async () => (await import("./server-actions.js")).runMigrations());
}
