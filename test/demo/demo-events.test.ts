import { describe, expect, it } from "vitest";
import type { DemoEvent } from "../../src/demo/demo-event.js";
import { demoCampaigns, demoEventCounts, demoEvents } from "../../src/demo/demo-events.js";

const now = new Date("2026-11-20T12:34:56.789Z");
const wholeHour = new Date("2026-11-20T12:00:00.000Z");
const campaigns = demoCampaigns(now);
const events = [...demoEvents(now)];

const reservedDomain = /^[a-z0-9.]+@(?:example\.(?:com|org|net)|[a-z]+\.example)$/;
const twoDecimals = /^[1-9]\d*\.\d{2}$/;

function faultsOf(event: DemoEvent): string[] {
  const faults: string[] = [];
  const isReaction = event.type === "OPENED" || event.type === "CLICKED";
  if (new Date(event.occurredAt).toISOString() !== event.occurredAt) faults.push("occurredAt is not an ISO time");
  if (event.occurredAt > wholeHour.toISOString()) faults.push("after now");
  if (event.recipient.length > 320 || !reservedDomain.test(event.recipient)) faults.push("recipient");
  if (event.messageId === "") faults.push("messageId");
  if (event.type === "CLICKED" && !/^https:\/\/[a-z]+\.example\/.*utm_campaign=/.test(event.url ?? ""))
    faults.push("url");
  if ((event.url !== undefined) !== (event.type === "CLICKED")) faults.push("url where none belongs");
  if ((event.traffic !== undefined) !== isReaction) faults.push("traffic");
  if ((event.type === "CONVERTED") !== twoDecimals.test(event.amount ?? "")) faults.push("amount");
  if ((event.type === "CONVERTED") !== (event.currency !== undefined)) faults.push("currency");
  if ((event.type === "CONVERTED") !== (event.externalReference !== undefined)) faults.push("externalReference");
  if ((event.type === "BOUNCED") !== (event.bounceClass !== undefined)) faults.push("bounceClass");
  if ((event.type === "DEFERRED" || event.type === "BOUNCED") !== (event.diagnostic !== undefined)) {
    faults.push("diagnostic");
  }
  if ((event.type === "UNSUBSCRIBED") !== (event.method !== undefined)) faults.push("method");
  if ((event.type === "COMPLAINED") !== (event.feedbackSource !== undefined)) faults.push("feedbackSource");
  if ((event.type === "REJECTED") !== (event.reason !== undefined)) faults.push("reason");
  if (event.type === "DELIVERED" && event.mailboxProvider === undefined) faults.push("mailboxProvider");
  if (Object.values(event).includes(undefined)) faults.push("an undefined field");
  return faults;
}

/** Recipients of a campaign who did a thing at least once, summed over campaigns. */
function unique(of: readonly DemoEvent[], wanted: (event: DemoEvent) => boolean): number {
  return new Set(of.filter(wanted).map((event) => `${event.campaignExternalId} ${event.recipient}`)).size;
}

function ratesOf(of: readonly DemoEvent[]) {
  const count = (type: DemoEvent["type"]) => unique(of, (event) => event.type === type);
  const [sent, delivered] = [count("SENT"), count("DELIVERED")];
  return {
    delivery: delivered / sent,
    hardBounce: unique(of, (event) => event.bounceClass === "HARD") / sent,
    open: count("OPENED") / delivered,
    humanOpen: unique(of, (event) => event.type === "OPENED" && event.traffic !== "MACHINE") / delivered,
    click: count("CLICKED") / delivered,
    unsubscribe: count("UNSUBSCRIBED") / delivered,
    complaint: count("COMPLAINED") / delivered,
  };
}

const byCampaign = Map.groupBy(events, (event) => event.campaignExternalId);

const lines = events.map((event) => JSON.stringify(event));

/** The first that differs and what stood there before: the difference of two whole lists would be of no use to a reader. */
function firstDifference(others: Iterable<DemoEvent>): { was?: string; is?: string } | undefined {
  let position = 0;
  for (const event of others) {
    const is = JSON.stringify(event);
    const was = lines[position];
    if (was === undefined) return { is };
    if (was !== is) return { was, is };
    position += 1;
  }
  const was = lines[position];
  return was === undefined ? undefined : { was };
}

const seen = (field: (event: DemoEvent) => string | undefined) =>
  new Set(events.map(field).filter((value) => value !== undefined));

const within = (low: number, value: number, high: number) => low < value && value < high;

const countOf = (moment: Date): number => [...demoEventCounts(moment)].reduce((sum, count) => sum + count, 0);

describe("the demo tenant's campaigns", () => {
  it("are about two dozen over the last 120 days, oldest first, under ids and names of their own", () => {
    expect(campaigns.length).toBeGreaterThanOrEqual(22);
    expect(campaigns.length).toBeLessThanOrEqual(26);
    const times = campaigns.map((campaign) => campaign.sentAt);
    expect(times).toEqual(times.toSorted());
    expect(times.every((time) => now.getTime() - Date.parse(time) <= 120 * 86_400_000)).toBe(true);
    expect(new Set(campaigns.map((campaign) => campaign.externalId)).size).toBe(campaigns.length);
    expect(new Set(campaigns.map((campaign) => campaign.name)).size).toBe(campaigns.length);
  });

  it("are the campaigns that the events name, in that order, and none has an event before its sending", () => {
    expect([...byCampaign.keys()]).toEqual(campaigns.map((campaign) => campaign.externalId));
    for (const { externalId, sentAt } of campaigns) {
      expect(byCampaign.get(externalId)?.[0]?.occurredAt.localeCompare(sentAt)).toBeGreaterThanOrEqual(0);
    }
  });

  it("include one of yesterday and one of today", () => {
    const days = campaigns.map((campaign) => campaign.sentAt.slice(0, 10));
    expect(days).toContain("2026-11-19");
    expect(days).toContain("2026-11-20");
  });

  it.each(["00", "01", "05", "09", "23"])("were all sent hours ago, even when it is %s o'clock", (hour) => {
    for (const day of Array.from({ length: 56 }, (_, index) => index)) {
      const then = new Date(Date.parse(`2027-01-05T${hour}:10:00Z`) + day * 86_400_000);
      const planned = demoCampaigns(then);
      expect(then.getTime() - Date.parse(planned.at(-1)?.sentAt ?? "")).toBeGreaterThanOrEqual(3 * 3_600_000);
      expect(new Set(planned.map((campaign) => campaign.name)).size).toBe(planned.length);
    }
  });
});

// Each run makes some 280,000 events: a busy machine needs more than the usual five seconds for it.
describe("the demo tenant's events", { timeout: 30_000 }, () => {
  it("are the same for the same seed and hour", () => {
    expect(firstDifference(demoEvents(new Date("2026-11-20T12:00:01Z")))).toBeUndefined();
  });

  it("differ for another seed", () => {
    expect(firstDifference(demoEvents(now, 7))).toBeDefined();
  });

  it("only grow as the hours of a day pass, so that an interrupted load can be taken up again", () => {
    const gone = new Set(lines);
    let count = 0;
    for (const event of demoEvents(new Date("2026-11-20T19:00:00Z"))) {
      gone.delete(JSON.stringify(event));
      count += 1;
    }
    expect([...gone].slice(0, 3)).toEqual([]);
    expect(count).toBeGreaterThan(events.length);
  });

  it("number 250,000 or more, exactly as many as were announced, each under an id of its own", () => {
    expect(events.length).toBeGreaterThanOrEqual(250_000);
    expect(events.length).toBeLessThanOrEqual(310_000);
    expect(countOf(now)).toBe(events.length);
    expect(new Set(events.map((event) => event.eventId)).size).toBe(events.length);
  });

  it.each(["2026-03-01T00:00:00Z", "2027-12-31T09:59:59Z", "2028-02-29T16:20:00Z"])(
    "number 250,000 or more at %s too",
    (time) => {
      expect(countOf(new Date(time))).toBeGreaterThanOrEqual(250_000);
    },
  );

  it("carry what their type asks for and nothing that belongs to another", () => {
    const faulty = events.flatMap((event) => faultsOf(event).map((fault) => `${event.eventId}: ${fault}`));
    expect(faulty.slice(0, 5)).toEqual([]);
  });

  it("stand in order of time within each campaign", () => {
    const disorderly = [...byCampaign.values()].filter((own) =>
      own.some((event, index) => event.occurredAt < (own[index - 1]?.occurredAt ?? "")),
    );
    expect(disorderly).toEqual([]);
  });

  it("follow a SENT to the same person, save the rejected, who get none", () => {
    const misplaced: DemoEvent[] = [];
    for (const own of byCampaign.values()) {
      const sentTo = new Set<string>();
      for (const event of own) {
        if (event.type === "SENT") sentTo.add(event.recipient);
        else if (sentTo.has(event.recipient) === (event.type === "REJECTED")) misplaced.push(event);
      }
    }
    expect(misplaced).toEqual([]);
  });

  it("show every type, all four bounce classes, all three verdicts and two currencies", () => {
    expect(seen((event) => event.type).size).toBe(10);
    expect(seen((event) => event.bounceClass).size).toBe(4);
    expect(seen((event) => event.traffic).size).toBe(3);
    expect(seen((event) => event.currency)).toEqual(new Set(["EUR", "USD"]));
  });

  it("come to between three and eight distinct links a campaign", () => {
    for (const own of byCampaign.values()) {
      const links = new Set(own.flatMap((event) => event.url ?? []));
      expect(links.size).toBeGreaterThanOrEqual(3);
      expect(links.size).toBeLessThanOrEqual(8);
    }
  });

  it("go on until now: people open in each of the last six hours", () => {
    const hours = new Set(
      events.filter((event) => event.type === "OPENED").map((event) => event.occurredAt.slice(0, 13)),
    );
    for (const hour of ["06", "07", "08", "09", "10", "11"]) expect(hours).toContain(`2026-11-20T${hour}`);
  });

  it("add up to rates that a real sender would know", () => {
    const rates = ratesOf(events);
    expect(rates.delivery).toBeGreaterThan(0.97);
    expect(rates.delivery).toBeLessThan(0.99);
    expect(rates.hardBounce).toBeGreaterThan(0.002);
    expect(rates.hardBounce).toBeLessThan(0.01);
    expect(rates.open).toBeGreaterThan(0.22);
    expect(rates.open).toBeLessThan(0.45);
    expect(rates.humanOpen).toBeLessThan(rates.open - 0.05);
    expect(rates.click).toBeGreaterThan(0.01);
    expect(rates.click).toBeLessThan(0.05);
    expect(rates.unsubscribe).toBeGreaterThan(0.001);
    expect(rates.unsubscribe).toBeLessThan(0.005);
    expect(rates.complaint).toBeGreaterThan(0.0001);
    expect(rates.complaint).toBeLessThan(0.0008);
  });

  it("keep every single campaign within plausible bounds", () => {
    const all = [...byCampaign].map(([externalId, own]) => ({ externalId, rates: ratesOf(own) }));
    const odd = all.filter(
      ({ rates: { delivery, open, click } }) =>
        !(within(0.97, delivery, 0.995) && within(0.22, open, 0.45) && within(0.01, click, 0.05)),
    );
    expect(odd).toEqual([]);
  });

  it("stop for whoever unsubscribed: no later campaign is sent to them", () => {
    const leftAt = new Map<string, string>();
    for (const { type, recipient, occurredAt } of events) {
      if (type !== "UNSUBSCRIBED" && type !== "COMPLAINED") continue;
      const before = leftAt.get(recipient);
      if (before === undefined || occurredAt < before) leftAt.set(recipient, occurredAt);
    }
    const mailedAnyway = events.filter(
      ({ type, recipient, occurredAt }) => type === "SENT" && occurredAt > (leftAt.get(recipient) ?? occurredAt),
    );
    expect(leftAt.size).toBeGreaterThan(0);
    expect(mailedAnyway).toEqual([]);
  });
});
