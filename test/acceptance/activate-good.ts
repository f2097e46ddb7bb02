/**
 * All newsletters through the built program's own commands: import, the numbers over GraphQL beside the published ones,
 * verify, the same import again. Exit status 1 where any number deviates. Databases are those of the environment, else
 * embedded ones in a folder that goes away; a folder of newsletters may be given as the argument.
 */
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { fileURLToPath } from "node:url";
import { InstalledProduct } from "../support/installed-product.js";
import { type Ask, deviations, type NewsletterFigures, readFigures } from "./newsletter-figures.js";
import { countEvents, type Newsletter, newsletterLines, readNewsletters } from "./newsletters.js";

const DEFAULT_FOLDER = fileURLToPath(new URL("../../../shared/data/activate-good", import.meta.url));
const MAX_IMPORT_RSS_BYTES = 512 * 1024 ** 2;
const SETTLE_DEADLINE_MS = 30 * 60_000;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

async function main(folder: string): Promise<string[]> {
  const newsletters = await readNewsletters(folder);
  const workFolder = await mkdtemp(path.join(tmpdir(), "mailtally-newsletters-"));
  const product = new InstalledProduct(path.join(workFolder, "data"));
  try {
    const file = path.join(workFolder, "events.ndjson");
    await writeFile(file, newsletterLines(folder, newsletters));
    await product.start();
    return await compareAll(product, file, newsletters);
  } finally {
    await product.stop();
    await rm(workFolder, { recursive: true });
  }
}

/** Returns what is not as it should be. */
async function compareAll(product: InstalledProduct, file: string, newsletters: Newsletter[]): Promise<string[]> {
  const slug = `newsletters-${Date.now()}`;
  await product.runOrFail("tenants", "create", slug, "--time-zone", "America/New_York");
  const key = (await product.runOrFail("keys", "create", "--tenant", slug, "--scopes", "READ_METRICS")).stdout.trim();
  const ask: Ask = (query, variables) => product.graphql(key, query, variables);
  const events = countEvents(newsletters);
  const faults: string[] = [];

  async function importFile(which: string): Promise<NewsletterFigures[]> {
    const began = performance.now();
    const { stderr, seconds, peakRssBytes } = await product.runOrFail("import", file, "--tenant", slug);
    await product.settled(key, SETTLE_DEADLINE_MS);
    const settledSeconds = (performance.now() - began) / 1000;
    const peak = peakRssBytes === null ? "unknown" : `${Math.round(peakRssBytes / 1024 ** 2)} MiB`;
    say(
      `${which} import: ${events} events in ${seconds.toFixed(1)} s, all rolled up after ${settledSeconds.toFixed(1)} s`,
    );
    say(`  the import's peak of memory: ${peak}; it said: ${stderr.trim().split("\n").slice(-2).join(" / ")}`);
    if (!stderr.includes(`${events} accepted, 0 refused`)) faults.push(`${which} import: not every line was accepted`);
    if ((peakRssBytes ?? 0) > MAX_IMPORT_RSS_BYTES) faults.push(`${which} import: it held ${peak}`);
    return readFigures(ask, newsletters);
  }

  async function verify(when: string): Promise<void> {
    const { exitCode, stdout, stderr, seconds } = await product.run("verify", "--tenant", slug);
    say(`verify ${when}: exit status ${exitCode} in ${seconds.toFixed(1)} s: ${stderr.trim().split("\n").join(" / ")}`);
    if (exitCode !== 0) faults.push(`verify ${when}: ${stdout}`);
  }

  const first = await importFile("First");
  for (const row of table(first)) say(row);
  faults.push(...first.flatMap(deviations));
  await verify("after it");
  const second = await importFile("Second");
  const isUnchanged = isDeepStrictEqual(second, first);
  say(`Numbers that the second import changed: ${isUnchanged ? "none" : "some"}`);
  if (!isUnchanged) faults.push("The second import changed numbers", ...second.flatMap(deviations));
  await verify("after the second");
  return faults;
}

function* table(figures: readonly NewsletterFigures[]): Generator<string> {
  yield "";
  yield columns("newsletter", "sent", "opened", "clicked", "click %", "off by points", "");
  yield columns("", ...Array.from({ length: 4 }, () => "publ. / found"), "", "");
  for (const found of figures) {
    const { newsletter } = found;
    yield columns(
      newsletter.externalId,
      `${newsletter.sent} / ${found.sent}`,
      `${newsletter.opened} / ${found.opened}`,
      `${newsletter.clicked} / ${found.clicked}`,
      `${newsletter.clickPct} / ${found.clickPct.toFixed(3)}`,
      Math.abs(newsletter.clickPct - found.clickPct).toFixed(4),
      deviations(found).length === 0 ? "as published" : "DEVIATES",
    );
  }
  const good = figures.filter((found) => deviations(found).length === 0).length;
  yield `${good} of ${figures.length} newsletters as published`;
  yield "";
}

function columns(...cells: string[]): string {
  return cells.map((cell, index) => (index === 0 ? cell.padEnd(22) : cell.padStart(15))).join(" ");
}

const folder = process.argv[2] ?? DEFAULT_FOLDER;
if (existsSync(folder)) {
  const faults = await main(folder);
  for (const fault of faults) say(`WRONG: ${fault}`);
  say(faults.length === 0 ? "Everything is as published." : `${faults.length} faults`);
  if (faults.length > 0) process.exitCode = 1;
} else say(`Skipped: the newsletters are not at ${path.relative(process.cwd(), folder)}`);
