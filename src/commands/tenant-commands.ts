import type { Command } from "commander";
import { SCOPES } from "../access/scope.js";

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
    .command("update")
    .description("Change a tenant. After another time zone its days are made anew from the quarter-hours, online.")
    .argument("<slug>", "which tenant")
    .option("--time-zone <zone>", "where its days begin (IANA)")
    .option("--name <name>", "what it is called")
    .action(async (slug: string, options: { timeZone?: string; name?: string }) => {
      const { updateTenantOfSlug } = await import("./tenant-actions.js");
      await updateTenantOfSlug(slug, options);
    });

  const keys = program.command("keys").description("API keys.");
  keys
    .command("create")
    .description("Make an API key; prints its secret alone, which is shown this once.")
    .requiredOption("--tenant <slug>", "whose key it is")
    .requiredOption("--scopes <scopes>", `what it may do: some of ${SCOPES.join(",")}, or ALL`)
    .option("--name <name>", "what it is for", "Command line")
    .option("--expires-at <time>", "from when on it is refused (ISO 8601 with an offset)")
    .action(async (options: { tenant: string; scopes: string; name: string; expiresAt?: string }) => {
      const { createKeyOfTenant } = await import("./tenant-actions.js");
      await createKeyOfTenant(options);
    });
}
