import { beforeAll, expect, test } from "vitest";
import { type CampaignId, type LinkKey, NIL_UUID, uuidv7 } from "../../src/ids.js";
import { type LinkPageRequest, type LinkPosition, type LinkRow, readLinkPages } from "../../src/metrics/link-pages.js";
import { zoneOf } from "../time/times.js";
import { metricsUnderTest, newCampaign, newTenant } from "./metrics-under-test.js";

const subject = metricsUnderTest();
const [mine, other] = [newTenant(), newTenant()];
const [spring, summer, quiet, theirs] = [newCampaign(), newCampaign(), newCampaign(), newCampaign()];
const utc = zoneOf("UTC");

const key = (digit: string) => NIL_UUID.replaceAll("0", digit) as LinkKey;
const link = (campaignId: CampaignId, linkKey: LinkKey, unique: number) =>
  [campaignId, linkKey, `https://example.org/${linkKey[0]}`, unique * 3, unique * 2, unique, unique] as const;
const ORDER: readonly [string, number][] = [
  ["c", 9],
  ["0", 5],
  ["1", 5],
  ["d", 5],
  ["e", 5],
  ["2", 1],
  ["a", 0],
];

beforeAll(async () => {
  await subject.addCells(
    mine,
    utc,
    [],
    [
      ...ORDER.map(([digit, unique]) => link(spring, key(digit), unique)).toReversed(),
      link(summer, key("7"), 5),
      link(summer, key("1"), 6),
    ],
  );
  await subject.addCells(other, utc, [], [link(theirs, key("b"), 7)]);
});

const pagesOf = async (campaignIds: readonly CampaignId[], request: LinkPageRequest) => {
  const { result, statements } = await subject.read(subject.metrics, mine, (session) =>
    readLinkPages(session, mine, campaignIds, request),
  );
  expect(statements).toHaveLength(1);
  return result;
};
const digits = (rows: readonly LinkRow[] | undefined) => rows?.map((row) => row.linkKey[0]).join("");
const positionOf = ([digit, uniqueClicked]: readonly [string, number]): LinkPosition => ({
  uniqueClicked,
  linkKey: key(digit),
});
const whole = ORDER.map(([digit]) => digit).join("");

test("links come with most unique clicks first, ties by key, the rest in its place, for all campaigns at once", async () => {
  const pages = await pagesOf([spring, summer, quiet], { limit: 50, take: "FIRST" });
  expect([...pages.values()].map(digits)).toEqual([whole, "17", ""]);
  expect(pages.get(spring)?.[0]).toEqual({
    linkKey: key("c"),
    url: "https://example.org/c",
    clicked: 27,
    clickedHuman: 18,
    uniqueClicked: 9,
    uniqueClickedHuman: 9,
  });
});

test.each([1, 2, 3])("links are met once each when paged by %i, from either end", async (limit) => {
  let forward = "";
  for (let after: LinkPosition | undefined; ;) {
    const page = (await pagesOf([spring], { limit, take: "FIRST", after })).get(spring) ?? [];
    forward += digits(page);
    after = page.at(-1);
    if (page.length < limit) break;
  }
  expect(forward).toBe(whole);

  let backward = "";
  for (let before: LinkPosition | undefined; ;) {
    const page = (await pagesOf([spring], { limit, take: "LAST", before })).get(spring) ?? [];
    backward = digits(page) + backward;
    before = page[0];
    if (page.length < limit) break;
  }
  expect(backward).toBe(whole);
});

test("links between two positions exclude both", async () => {
  const between = { after: positionOf(ORDER[1]!), before: positionOf(ORDER[5]!) };
  expect(digits((await pagesOf([spring], { limit: 2, take: "FIRST", ...between })).get(spring))).toBe("1d");
  expect(digits((await pagesOf([spring], { limit: 2, take: "LAST", ...between })).get(spring))).toBe("de");
  expect(digits((await pagesOf([spring], { limit: 9, take: "LAST", ...between })).get(spring))).toBe("1de");
});

test("links after a position that no link has any more begin at the next one", async () => {
  const after = { uniqueClicked: 6, linkKey: uuidv7() as LinkKey };
  expect(digits((await pagesOf([spring], { limit: 9, take: "FIRST", after })).get(spring))).toBe("01de2a");
});

test("another tenant's links are nothing, also to who knows their campaign", async () => {
  const read = async (sessionTenant: typeof mine, named: typeof mine) =>
    (
      await subject.read(subject.metrics, sessionTenant, (session) =>
        readLinkPages(session, named, [theirs], { limit: 5, take: "FIRST" }),
      )
    ).result;
  const nothing = new Map([[theirs, []]]);
  expect(await read(mine, mine)).toEqual(nothing);
  expect(await read(mine, other)).toEqual(nothing);
  expect(await read(other, mine)).toEqual(nothing);
  expect((await read(other, other)).get(theirs)).toHaveLength(1);
});
