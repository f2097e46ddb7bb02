import type { Command } from "commander";

/** The actions are loaded when they run: with everything they need, help would take a second. */
export function addTenantCommands(program: Command): void {
  const tenants = program.command("tenants").description("Customers.");
  tenants
    .command("create")
    .description("Make a tenant; prints its slug.")
    .argument("<slug>", "its short name: lower-case letters, digits and hyphens")
    .option("--time-zone <zone>", "where its days begin (IANA)", "UTC")
    .option("--name <name>", "what it is called; its slug where left out")
    .action(async (slug: string, options: { timeZone: string; name?: string }) => {
      const { createTenantOfSlug } = await import("./tenant-actions.js");
      await createTenantOfSlug(slug, options);
    });
  tenants
    .command("list")
    .description("Show all tenants, by slug.")
    .option("--json", "as one JSON array")
    .action(async (options: { json?: true }) => {
      const { listTenants } = await import("./tenant-actions.js");
      await listTenants(options);
    });
  tenants
    .command("update")
    .description("Change a tenant. After another time zone its days are made anew from the quarter-hours, online.")
    .argument("<slug>", "which tenant")
    .option("--time-zone <zone>", "where its days begin (IANA)")
    .option("--name <name>", "what it is called")
    .action(async (slug: string, options: { timeZone?: string; name?: string }) => {
      const { updateTenantOfSlug } = await import("./tenant-actions.js");
      await updateTenantOfSlug(slug, options);
    });
}
