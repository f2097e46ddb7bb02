/** Some of the newsletters; `npm run acceptance:activate-good` does all of them. */
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TenantId } from "../../src/ids.js";
import { describeDifference } from "../../src/rollups/verify/difference.js";
import { verifyRollups } from "../../src/rollups/verify/verify.js";
import { type Product, startProduct } from "../support/product.js";
import { importInto } from "./import-into.js";
import { type Ask, deviations, readFigures } from "./newsletter-figures.js";
import { countEvents, type Newsletter, newsletterLines, readNewsletters } from "./newsletters.js";

const MADE_UP = fileURLToPath(new URL("../fixtures/newsletters", import.meta.url));
const REAL = fileURLToPath(new URL("../../../shared/data/activate-good", import.meta.url));
const isRealAbsent = !existsSync(REAL);

/** The smallest; one whose click rate was published cut, not rounded, and lies farthest; the one with most contacts that have no row. */
const REAL_SENDS = [1_546_430_628, 1_588_682_417, 1_606_917_798];

let product: Product;
beforeAll(async () => {
  product = await startProduct();
});
afterAll(() => product.stop());

describe("made-up newsletters", () => {
  guaranteesFor(MADE_UP, null);
});

describe.skipIf(isRealAbsent)(
  `real newsletters${isRealAbsent ? " (skipped: ../shared/data is not there)" : ""}`,
  () => {
    guaranteesFor(REAL, REAL_SENDS);
  },
);

function guaranteesFor(folder: string, sends: readonly number[] | null): void {
  let workFolder: string;
  let file: string;
  let newsletters: Newsletter[];
  let tenantId: TenantId;
  let key: string;
  const ask: Ask = async (query, variables) => {
    const { data, errors } = await product.graphql(key, query, variables);
    expect(errors).toBeUndefined();
    return data;
  };

  beforeAll(async () => {
    workFolder = await mkdtemp(path.join(tmpdir(), "newsletters-"));
    file = path.join(workFolder, "events.ndjson");
    newsletters = (await readNewsletters(folder)).filter(({ sendEpoch }) => sends?.includes(sendEpoch) ?? true);
    await writeFile(file, newsletterLines(folder, newsletters));
    ({ tenantId, key } = await product.createTenant());
    expect(await importInto(product, tenantId, file)).toMatchObject({
      lines: countEvents(newsletters),
      accepted: countEvents(newsletters),
    });
    await product.settled(key);
  }, 120_000);
  afterAll(() => rm(workFolder, { recursive: true }));

  test("sends, opens, clicks and the click rate per sent are those that were published", async () => {
    expect(newsletters).toHaveLength(3);
    const figures = await readFigures(ask, newsletters);
    expect(figures.flatMap(deviations)).toEqual([]);
  });

  test("the rollups are what the event log recounts to, also after a second import, which changes no number", async () => {
    const before = await readFigures(ask, newsletters);
    expect(await differences()).toEqual([]);
    expect(await importInto(product, tenantId, file)).toMatchObject({ accepted: countEvents(newsletters) });
    await product.settled(key);
    expect(await readFigures(ask, newsletters)).toEqual(before);
    expect(await differences()).toEqual([]);
  }, 120_000);

  async function differences(): Promise<string[]> {
    const texts: string[] = [];
    for await (const difference of verifyRollups(product.pools, { tenantId }))
      texts.push(describeDifference(difference));
    return texts;
  }
}

test("a number that deviates from the published one is told by its newsletter and name", async () => {
  const [newsletter] = await readNewsletters(MADE_UP);
  if (newsletter === undefined) throw new Error("The made-up newsletters are gone");
  const { sent, rows: delivered, opened, clicked, clickPct } = newsletter;
  const right = { newsletter, sentTotal: sent, sent, delivered, opened, clicked, clickPct };
  expect(deviations(right)).toEqual([]);
  expect(deviations({ ...right, opened: opened + 1, clickPct: clickPct + 0.011 })).toEqual([
    `${newsletter.externalId}: opened is ${opened + 1}, published ${opened}`,
    expect.stringContaining("click rate is"),
  ]);
});
