/**
 * What "Tideline Trust" mails: an invented Irish charity for rivers and coasts, with friends in North America and on the
 * continent. Each entry says when, to whom and how well it goes down; the dates come from the plan.
 */
import { freeEventLinks, type Purpose, type WeightedLink } from "./campaign-links.js";
import { readingCurves, type ReadingCurve } from "./reading-curves.js";
import type { Supporter } from "./supporters.js";

const DAY_MS = 86_400_000;

/** How keenly people react, against an ordinary mailing (1). */
interface Appeal {
  readonly opens: number;
  readonly clicks: number;
  /** Chance that somebody of middling generosity who lands on a page that converts does so. */
  readonly converts: number;
}

export interface CampaignTemplate {
  readonly slug: string;
  readonly purpose: Purpose;
  readonly daysAgo: number;
  readonly hourUtc: number;
  /** Moved back to this day of the week (0 is Sunday); without one the day stays. */
  readonly weekday?: number;
  readonly name: (sentAt: Date) => string;
  readonly subject: (sentAt: Date) => string;
  readonly tags?: readonly string[];
  readonly curve: ReadingCurve;
  readonly appeal: Appeal;
  readonly links?: readonly [WeightedLink, ...WeightedLink[]];
  readonly audience: (supporter: Supporter, daysAgo: number) => boolean;
  /** Subject lines A and B are tried within the mailing. */
  readonly splitsSubject?: boolean;
  readonly troubledProvider?: string;
}

/** The fundraising year's names, from January: what is asked for in December is not a summer appeal. */
const seasons = "New year,New year,Spring,Spring,Spring,Summer,Summer,Summer,Autumn,Autumn,Year-end,Year-end".split(
  ",",
);
const season = (sentAt: Date): string => seasons[sentAt.getUTCMonth()] ?? "Yearly";
const monthName = (date: Date): string => date.toLocaleString("en-IE", { month: "long", timeZone: "UTC" });
/** One number every 28 days. Half a day is added because a letter of the small hours is dated the evening before. */
const issueNumber = (date: Date): number => Math.floor((date.getTime() + DAY_MS / 2) / (28 * DAY_MS)) - 700;

const letterSubjects: readonly [string, ...string[]] = [
  "Otters are back on the upper river",
  "What 400 volunteers found on one beach",
  "The seagrass is growing, and you planted it",
  "A quiet win for clean water",
  "Five places to see the coast at its best",
];

const share = (from: number, to: number) => (supporter: Supporter) => supporter.slice >= from && supporter.slice < to;
const donors = (from: number, to: number) => (supporter: Supporter) =>
  supporter.generosity > 0.42 && share(from, to)(supporter);
const livingIn =
  (...codes: string[]) =>
  (supporter: Supporter) =>
    codes.includes(supporter.country.code);
const joinedLately = (supporter: Supporter, daysAgo: number) => supporter.joinedDaysAgo - daysAgo < 28;

function letter(daysAgo: number): CampaignTemplate {
  return {
    slug: "letter",
    purpose: "newsletter",
    daysAgo,
    hourUtc: 7,
    name: (sentAt) => `The Tideline Letter No. ${issueNumber(sentAt)} (${monthName(sentAt)})`,
    subject: (sentAt) => letterSubjects[issueNumber(sentAt) % letterSubjects.length] ?? letterSubjects[0],
    tags: ["monthly"],
    curve: readingCurves.morning,
    appeal: { opens: 1, clicks: 1, converts: 0.15 },
    audience: () => true,
  };
}

function welcome(daysAgo: number): CampaignTemplate {
  return {
    slug: "welcome",
    purpose: "stewardship",
    daysAgo,
    hourUtc: 10,
    weekday: 1,
    name: (sentAt) => `Welcome to Tideline (joined by ${sentAt.getUTCDate()} ${monthName(sentAt)})`,
    subject: () => "Welcome aboard: here is what you just made possible",
    tags: ["welcome", "automated"],
    curve: readingCurves.slow,
    appeal: { opens: 1.18, clicks: 1.15, converts: 0.1 },
    audience: joinedLately,
  };
}

export const campaignTemplates: readonly CampaignTemplate[] = [
  letter(112),
  letter(84),
  letter(56),
  letter(28),
  letter(0),
  welcome(100),
  welcome(71),
  welcome(43),
  welcome(15),
  {
    slug: "river-clean-up",
    purpose: "event",
    daysAgo: 105,
    hourUtc: 9,
    weekday: 6,
    name: () => "Invitation: river clean-up day",
    subject: () => "Bring wellies: the big river clean-up is on",
    tags: ["volunteering"],
    curve: readingCurves.weekend,
    appeal: { opens: 1.02, clicks: 1.25, converts: 0.05 },
    links: freeEventLinks,
    audience: (supporter) => livingIn("IE")(supporter) && supporter.slice < 0.75,
  },
  {
    slug: "thank-you-spring-tide",
    purpose: "stewardship",
    daysAgo: 92,
    hourUtc: 16,
    weekday: 4,
    name: () => "Thank you: what your gifts did this quarter",
    subject: () => "You did this. Thank you.",
    tags: ["thank-you", "donors"],
    curve: readingCurves.slow,
    appeal: { opens: 1.12, clicks: 0.9, converts: 0.04 },
    audience: donors(0, 0.4),
  },
  {
    slug: "flood-emergency",
    purpose: "appeal",
    daysAgo: 78,
    hourUtc: 13,
    name: () => "Emergency appeal: estuary flood",
    subject: () => "Urgent: the estuary is under water",
    tags: ["urgent", "emergency"],
    curve: readingCurves.urgent,
    appeal: { opens: 1.1, clicks: 1.35, converts: 0.3 },
    audience: share(0, 0.62),
    splitsSubject: true,
    troubledProvider: "Outpost",
  },
  {
    slug: "flood-emergency-update",
    purpose: "appeal",
    daysAgo: 75,
    hourUtc: 17,
    name: () => "Emergency appeal: update after 72 hours",
    subject: () => "72 hours later: what your gifts are doing",
    tags: ["urgent", "emergency"],
    curve: readingCurves.evening,
    appeal: { opens: 1, clicks: 1.05, converts: 0.22 },
    audience: share(0.1, 0.4),
  },
  {
    slug: "volunteer-digest",
    purpose: "newsletter",
    daysAgo: 66,
    hourUtc: 15,
    weekday: 3,
    name: () => "Volunteer digest",
    subject: () => "Tide tables, rotas and one very muddy photo",
    tags: ["volunteering"],
    curve: readingCurves.slow,
    appeal: { opens: 0.95, clicks: 0.9, converts: 0.03 },
    audience: share(0.7, 0.84),
  },
  {
    slug: "harbour-evening",
    purpose: "event",
    daysAgo: 60,
    hourUtc: 15,
    weekday: 6,
    name: () => "Invitation: Harbour Evening in Boston",
    subject: () => "An evening by the water, with friends of the coast",
    tags: ["us", "tickets"],
    curve: readingCurves.weekend,
    appeal: { opens: 0.95, clicks: 1, converts: 0.2 },
    audience: (supporter) => livingIn("US", "CA")(supporter) && supporter.slice < 0.5,
  },
  ...(["a", "b"] as const).map((variant): CampaignTemplate => ({
    slug: `season-appeal-${variant}`,
    purpose: "appeal",
    daysAgo: 49,
    hourUtc: 18,
    weekday: 2,
    name: (sentAt) => `${season(sentAt)} appeal, ${variant === "a" ? "A: one family's story" : "B: the numbers"}`,
    subject: () => (variant === "a" ? "Mary has watched this river for 60 years" : "€35 cleans 90 metres of shoreline"),
    tags: ["ab-test", "donors"],
    curve: readingCurves.evening,
    appeal:
      variant === "a" ? { opens: 1.06, clicks: 1.15, converts: 0.26 } : { opens: 0.92, clicks: 0.95, converts: 0.24 },
    audience: variant === "a" ? donors(0, 0.5) : donors(0.5, 1),
  })),
  {
    slug: "season-appeal-last-call",
    purpose: "appeal",
    daysAgo: 37,
    hourUtc: 19,
    weekday: 0,
    name: (sentAt) => `${season(sentAt)} appeal: last call`,
    subject: () => "Closing tonight: will you stand with the river?",
    tags: ["urgent", "donors"],
    curve: readingCurves.urgent,
    appeal: { opens: 0.88, clicks: 1.1, converts: 0.3 },
    audience: donors(0.15, 0.75),
  },
  {
    slug: "ask-the-scientists",
    purpose: "event",
    daysAgo: 24,
    hourUtc: 11,
    weekday: 0,
    name: () => "Webinar: ask the river scientists",
    subject: () => "Your questions, our scientists, one hour online",
    tags: ["webinar"],
    curve: readingCurves.weekend,
    appeal: { opens: 0.9, clicks: 1.1, converts: 0.05 },
    links: freeEventLinks,
    audience: share(0.55, 0.8),
  },
  {
    slug: "matched-giving",
    purpose: "appeal",
    daysAgo: 19,
    hourUtc: 12,
    weekday: 4,
    name: () => "Matched giving week",
    subject: () => "Every gift doubled until Sunday",
    tags: ["urgent", "match"],
    curve: readingCurves.urgent,
    appeal: { opens: 1.04, clicks: 1.2, converts: 0.3 },
    audience: share(0.35, 0.68),
    splitsSubject: true,
  },
  {
    slug: "monthly-giving",
    purpose: "appeal",
    daysAgo: 12,
    hourUtc: 18,
    weekday: 3,
    name: () => "Become a Tidekeeper (monthly giving)",
    subject: () => "The gift that keeps the water clean all year",
    tags: ["recurring", "donors"],
    curve: readingCurves.evening,
    appeal: { opens: 0.98, clicks: 0.95, converts: 0.2 },
    audience: donors(0.2, 0.7),
  },
  {
    slug: "supporter-survey",
    purpose: "stewardship",
    daysAgo: 9,
    hourUtc: 14,
    weekday: 3,
    name: () => "Supporter survey",
    subject: () => "Three questions, two minutes, one cleaner coast",
    tags: ["survey"],
    curve: readingCurves.slow,
    appeal: { opens: 0.94, clicks: 1.3, converts: 0.04 },
    links: [
      { path: "/survey", weight: 80 },
      { path: "/survey/why-we-ask", weight: 12 },
      { path: "/account/preferences", weight: 8 },
    ],
    audience: share(0.88, 1),
  },
  {
    slug: "berlin-coast-talk",
    purpose: "event",
    daysAgo: 5,
    hourUtc: 9,
    name: () => "Invitation: an evening on the coast, in Berlin",
    subject: () => "Join us in Berlin for a night of tides and talk",
    tags: ["eu", "tickets"],
    curve: readingCurves.morning,
    appeal: { opens: 1.05, clicks: 1.15, converts: 0.2 },
    audience: livingIn("DE", "NL"),
  },
  {
    slug: "season-appeal-launch",
    purpose: "appeal",
    daysAgo: 1,
    hourUtc: 17,
    name: (sentAt) => `${season(sentAt)} appeal: opening letter`,
    subject: () => "Before the next high tide, a favour",
    tags: ["donors"],
    curve: readingCurves.evening,
    appeal: { opens: 1.05, clicks: 1.15, converts: 0.26 },
    audience: share(0.6, 0.96),
    splitsSubject: true,
  },
];
