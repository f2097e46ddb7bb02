import { createIntake } from "../../src/create-intake.js";
import type { TenantId } from "../../src/ids.js";
import { importFile } from "../../src/ingest/import/import-file.js";
import type { ImportSummary } from "../../src/ingest/import/import-progress.js";
import type { Product } from "../support/product.js";

/** What the command `import` does, in this process. Throws where a line is refused. */
export async function importInto(product: Product, tenantId: TenantId, path: string): Promise<ImportSummary> {
  const { intake, inbox } = createIntake(product.runtime, product.pools);
  const refusals: string[] = [];
  try {
    const summary = await importFile({
      path,
      tenantId,
      intake,
      progress: {
        update: () => undefined,
        refused: (line, { message }) => void refusals.push(`line ${line}: ${message}`),
        done: () => undefined,
      },
    });
    if (refusals.length > 0) throw new Error(`Lines were refused:\n${refusals.slice(0, 10).join("\n")}`);
    return summary;
  } finally {
    await inbox.stop();
  }
}
