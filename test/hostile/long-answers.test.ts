/** What is asked for with a short call, and would be long, many times over, or never taken. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";

const MAX_ANSWER_CHARS = 60_000;

let product: Product;
let key: string;
beforeAll(async () => {
  product = await startProduct({ env: { MAX_ANSWER_CHARS: String(MAX_ANSWER_CHARS) } });
  ({ key } = await product.createTenant());
  await recordEvents(product, key, [event(0)]);
  await product.settled(key);
});
afterAll(() => product.stop());

const event = (n: number) => ({
  type: "SENT",
  campaignExternalId: "c",
  recipient: `${n}@example.com`,
  occurredAt: "2026-11-01T10:00:00Z",
  metadata: { long: ["x".repeat(4_000), "y".repeat(2_000)] },
});

async function ask(query: string, variables: Record<string, unknown> = {}) {
  const response = await fetch(`${product.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ query, variables }),
  });
  return { status: response.status, body: (await response.json()) as unknown };
}

const asked = (names: number) =>
  `{ campaign(externalId: "c") { events { nodes { ${Array.from({ length: names }, (_, n) => `m${n}: metadata`).join(" ")} } } } }`;

test("an answer that is too long is TOO_LARGE, however often its document came before, and a shorter one is answered", async () => {
  for (let time = 0; time < 4; time++) {
    expect(await ask(asked(11), { time })).toMatchObject({
      status: 413,
      body: {
        data: null,
        errors: [
          {
            message: "The answer has more than 60000 characters; ask for smaller pages or fewer fields.",
            extensions: { code: "TOO_LARGE" },
          },
        ],
      },
    });
    const { status, body } = await ask(asked(9), { time });
    expect(status).toBe(200);
    expect(body).toMatchObject({ data: { campaign: { events: { nodes: [{ m8: event(0).metadata }] } } } });
  }
});

test("a change whose answer is too long is made, and the error says so", async () => {
  const names = Array.from({ length: 90 }, (_, n) => `s${n}: subject`).join(" ");
  const update = `mutation ($input: UpdateCampaignInput!) { updateCampaign(input: $input) { campaign { ${names} } } }`;
  const { body: found } = await ask(`{ campaign(externalId: "c") { id } }`);
  const { id } = (found as { readonly data: { readonly campaign: { readonly id: string } } }).data.campaign;
  const subject = "s".repeat(900);
  const read = async () => (await ask(`{ campaign(externalId: "c") { subject } }`)).body;
  expect(await ask(update, { input: { id, subject } })).toMatchObject({
    status: 413,
    body: { errors: [{ message: expect.stringMatching(/changed all the same/) }] },
  });
  expect(await read()).toMatchObject({ data: { campaign: { subject } } });
});
