import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fastify from "fastify";
import { buildSchema, graphql, GraphQLError } from "graphql";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { registerGraphiql } from "../../src/http/graphiql.js";
import { startBuiltServer } from "../support/built-server.js";
import { startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";
import { chromiumProgram } from "../support/test-services.js";

// A cold browser on a busy machine needs seconds for its first page.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
const SOON = { timeout: 20_000, interval: 50 };

const ASSETS_DIR = fileURLToPath(new URL("../../dist/graphiql", import.meta.url));
const CHROMIUM_FLAGS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // Were the page to name another machine, the request would be recorded and fail rather than leave this one.
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

type ServerUnderTest = {
  readonly origin: string;
  /** A key that may read metrics. */
  readonly key: string;
  /** Part of the description of `Query.campaigns`. */
  readonly description: string;
  stop(): Promise<void>;
};

const SDL = `
  scalar BigInt
  scalar DateTime
  scalar Decimal
  type Query {
    "Every campaign of the account, with its numbers."
    campaigns(first: Int, orderBy: CampaignOrder): CampaignConnection!
  }
  input CampaignOrder { field: CampaignOrderField!  direction: Direction! }
  enum CampaignOrderField { SENT_AT }
  enum Direction { ASC DESC }
  type CampaignConnection { nodes: [Campaign!]!  pageInfo: PageInfo!  totalCount: BigInt! }
  type PageInfo { hasNextPage: Boolean!  endCursor: String }
  type Campaign { id: ID!  name: String!  sentAt: DateTime  metrics: Metrics! }
  type Metrics {
    sent: Tally!  delivered: Tally!  revenue: [Money!]!
    deliveryRate: Rate!  openRate: Rate!  clickRate: Rate!  bounceRate: Rate!  unsubscribeRate: Rate!
  }
  type Tally { unique: BigInt! }
  type Money { amount: Decimal!  currency: String! }
  type Rate { value: Float  numerator: BigInt!  denominator: BigInt! }
`;

const RATE = { value: 0.2228, numerator: 2228, denominator: 10_000 };
const TALLY = { unique: 10_000 };
const CAMPAIGNS = {
  totalCount: 1,
  pageInfo: { hasNextPage: false, endCursor: null },
  nodes: [
    {
      id: "Q2FtcGFpZ246MQ",
      name: "Spring appeal",
      sentAt: "2026-03-01T09:00:00.000Z",
      metrics: {
        sent: TALLY,
        delivered: TALLY,
        revenue: [{ amount: "12.50", currency: "EUR" }],
        deliveryRate: RATE,
        openRate: RATE,
        clickRate: RATE,
        bounceRate: RATE,
        unsubscribeRate: RATE,
      },
    },
  ],
};

/** Not the product, which shows its schema to everybody: a server that shows it to keys alone. */
async function startClosedServer(): Promise<ServerUnderTest> {
  if (!existsSync(ASSETS_DIR)) throw new Error("dist/graphiql is missing: run `npm run build` first.");
  const key = "mt_test_0123456789";
  const schema = buildSchema(SDL);
  const app = fastify();
  await registerGraphiql(app, { assetsDir: ASSETS_DIR });
  app.post<{ Body: { query: string } }>("/graphql", async (request, reply) => {
    const isKnown = request.headers.authorization === `Bearer ${key}`;
    if (!isKnown) {
      const extensions = { code: "UNAUTHENTICATED" };
      return reply.code(401).send({ errors: [new GraphQLError("No valid API key was given.", { extensions })] });
    }
    return graphql({ schema, source: request.body.query, rootValue: { campaigns: () => CAMPAIGNS } });
  });
  return {
    origin: await app.listen({ host: "127.0.0.1", port: 0 }),
    key,
    description: "Every campaign of the account",
    stop: () => app.close(),
  };
}

/** The one place that knows what serves the page: the built product, over a database where a campaign is. */
async function startServerUnderTest(): Promise<ServerUnderTest> {
  const product = await startProduct();
  const { key } = await product.createTenant();
  const occurredAt = "2026-11-01T10:00:00Z";
  const sent = { type: "SENT", campaignExternalId: "Spring appeal", recipient: "ann@example.com", occurredAt };
  await recordEvents(product, key, [sent]);
  await product.settled(key);
  const server = await startBuiltServer({
    EVENTS_DATABASE_URL: product.databases.eventsUrl,
    METRICS_DATABASE_URL: product.databases.metricsUrl,
    MAILTALLY_SECRET: product.runtime.config.secret ?? "",
  });
  return {
    origin: server.url,
    key,
    description: "The tenant's campaigns.",
    async stop() {
      await server.stop();
      await product.stop();
    },
  };
}

/** A page with all that it asked for and complained about since it was opened. */
async function openRecorded(context: BrowserContext) {
  const page = await context.newPage();
  const requested: URL[] = [];
  const complaints: string[] = [];
  const authorizations: (string | undefined)[] = [];
  const queryAuthorizations: (string | undefined)[] = [];
  // On the context and not the page: workers ask for things, too.
  context.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol !== "data:" && url.protocol !== "blob:") requested.push(url);
    if (url.pathname !== "/graphql") return;
    const authorization = request.headers()["authorization"];
    authorizations.push(authorization);
    if (request.postData()?.includes("IntrospectionQuery") !== true) queryAuthorizations.push(authorization);
  });
  context.on("console", (message) => {
    // Warnings as well: Monaco only warns when a worker cannot start, and goes on slowly in the page itself.
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.exposeFunction("reportViolation", (violation: string) => complaints.push(violation));
  await page.addInitScript(`addEventListener("securitypolicyviolation", (event) =>
    reportViolation("policy: " + event.violatedDirective + " " + event.blockedURI))`);
  return { page, requested, complaints, authorizations, queryAuthorizations };
}

const keyField = (page: Page) => page.getByLabel("API key");
const keyStatus = (page: Page) => page.getByRole("status");
const costLine = (page: Page) => page.locator("#cost").innerText();
const runButton = (page: Page) => page.getByRole("button", { name: /^Execute query/ });
/** Monaco draws spaces as no-break spaces. */
const textOf = async (page: Page, selector: string) =>
  (await page.locator(selector).innerText()).replaceAll("\u00a0", " ");
const responseOf = (page: Page) => textOf(page, ".graphiql-response");
const queryOf = (page: Page) => textOf(page, ".graphiql-query-editor .monaco-editor");

async function typeKey(page: Page, key: string): Promise<void> {
  await keyField(page).fill("");
  await keyField(page).pressSequentially(key);
  await keyField(page).press("Enter");
}

async function showDocs(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
}

let browser: Browser;
let context: BrowserContext;

beforeAll(async () => {
  browser = await chromium.launch({
    executablePath: chromiumProgram(),
    headless: true,
    chromiumSandbox: false,
    args: CHROMIUM_FLAGS,
  });
});
afterAll(() => browser.close());
beforeEach(async () => {
  context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
});
afterEach(() => context.close());

describe("GraphiQL in a browser", () => {
  let server: ServerUnderTest;
  beforeAll(async () => {
    server = await startServerUnderTest();
  });
  afterAll(() => server.stop());

  it("a stranger with a key runs the first query, and the page asks no other machine and breaks no policy", async () => {
    const { page, requested, complaints, queryAuthorizations } = await openRecorded(context);
    await page.goto(`${server.origin}/graphiql`);
    expect(await page.title()).toContain("Mailtally");
    await expect.poll(() => queryOf(page), SOON).toContain("query CampaignOverview");

    await typeKey(page, server.key);
    await runButton(page).click();
    await expect.poll(() => responseOf(page), SOON).toContain('"totalCount": 1');
    expect(await responseOf(page)).toContain('"name": "Spring appeal"');
    expect(await responseOf(page)).not.toContain('"errors"');
    expect(queryAuthorizations).toEqual([`Bearer ${server.key}`]);

    await expect
      .poll(
        () =>
          page
            .workers()
            .map((worker) => worker.url())
            .join(),
        SOON,
      )
      .toMatch(/graphql\.worker/);
    expect(requested.length).toBeGreaterThan(5);
    expect(requested.filter((url) => url.origin !== server.origin)).toEqual([]);
    expect(requested.filter((url) => url.href.includes(server.key))).toEqual([]);
    expect(page.url()).toBe(`${server.origin}/graphiql`);
    expect(complaints).toEqual([]);
  });

  it("the documentation shows what the schema says, before any key is given", async () => {
    const { page } = await openRecorded(context);
    await page.goto(`${server.origin}/graphiql/`);
    await showDocs(page);
    await page.getByRole("link", { name: "Query", exact: true }).click();
    await expect.poll(() => textOf(page, ".graphiql-doc-explorer-content"), SOON).toContain(server.description);
  });

  it("a header typed in the editor wins over the key, and neither outlives the session", async () => {
    const { page, queryAuthorizations } = await openRecorded(context);
    await page.goto(`${server.origin}/graphiql`);
    await typeKey(page, server.key);
    await page.getByRole("button", { name: "Headers" }).click();
    await page.locator(".graphiql-editor-tool .graphiql-editor:not(.hidden) .monaco-editor").click();
    await page.keyboard.insertText('{"authorization": "Bearer typed-by-hand"}');
    // GraphiQL takes a header into its tab, and so into its history, when the tab is left.
    await page.getByRole("button", { name: "New tab" }).click();
    await page.getByRole("tab", { name: "CampaignOverview" }).click();
    await expect.poll(() => queryOf(page), SOON).toContain("query CampaignOverview");
    await runButton(page).click();
    await expect.poll(() => keyStatus(page).innerText(), SOON).toContain("Headers editor");
    expect(queryAuthorizations).toEqual(["Bearer typed-by-hand"]);

    const stored = () => page.evaluate(() => JSON.stringify({ ...localStorage }));
    await expect.poll(stored, SOON).toContain("graphiql:queries");
    await expect.poll(stored, SOON).toContain("graphiql:tabState");
    expect(await stored()).not.toContain("typed-by-hand");
    expect(await stored()).not.toContain(server.key);
    expect(await context.cookies()).toEqual([]);
    expect(page.url()).not.toContain(server.key);

    await page.reload();
    expect(await keyField(page).inputValue()).toBe(server.key);
    const anotherTab = await context.newPage();
    await anotherTab.goto(`${server.origin}/graphiql`);
    expect(await keyField(anotherTab).inputValue()).toBe("");
  });

  it("what an answer cost and what is left stands above it, of each answer anew", async () => {
    const { page } = await openRecorded(context);
    await page.goto(`${server.origin}/graphiql`);
    await expect.poll(() => queryOf(page), SOON).toContain("query CampaignOverview");
    // The schema is asked for by the page.
    expect(await costLine(page)).toBe("");
    await typeKey(page, server.key);
    await runButton(page).click();
    await expect.poll(() => costLine(page), SOON).toMatch(/^Cost 68 of 106 points; [\d,]+ of 100,000 left$/);
    // Kept from the third time on, and given again.
    const runAgain = async (): Promise<string> => {
      await runButton(page).click();
      return costLine(page);
    };
    await expect.poll(runAgain, SOON).toMatch(/^Cost 1 of 106 points; /);
  });

  it("an example opens in a tab of its own and leaves what was written", async () => {
    const { page } = await openRecorded(context);
    await page.goto(`${server.origin}/graphiql`);
    await expect.poll(() => queryOf(page), SOON).toContain("query CampaignOverview");
    await page.getByRole("button", { name: "Show Examples" }).click();
    await page.getByRole("button", { name: "Top links of a campaign" }).click();
    await expect.poll(() => queryOf(page), SOON).toContain("query TopLinks");
    await page.getByRole("tab", { name: "CampaignOverview" }).click();
    await expect.poll(() => queryOf(page), SOON).toContain("query CampaignOverview");
  });
});

describe("GraphiQL before a server that shows its schema to keys alone", () => {
  it("asks for a key, tells a wrong one, and fetches the schema once the key is right", async () => {
    const server = await startClosedServer();
    try {
      const { page, authorizations } = await openRecorded(context);
      await page.goto(`${server.origin}/graphiql`);
      await expect.poll(() => keyStatus(page).innerText(), SOON).toContain("needs an API key");
      expect(authorizations).toContain(undefined);

      await typeKey(page, "wrong");
      await expect.poll(() => keyStatus(page).innerText(), SOON).toContain("refused this key");

      await typeKey(page, server.key);
      await expect.poll(() => keyStatus(page).innerText(), SOON).toContain("kept in this tab");
      await showDocs(page);
      await page.getByRole("link", { name: "Query", exact: true }).click();
      await expect.poll(() => textOf(page, ".graphiql-doc-explorer-content"), SOON).toContain(server.description);
      expect(authorizations.at(-1)).toBe(`Bearer ${server.key}`);
    } finally {
      await server.stop();
    }
  });
});
