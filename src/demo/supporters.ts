/**
 * The people on the demo tenant's list. Each keeps their traits over all campaigns (how often they open, what they read
 * on, whether a machine opens for them), because that is what makes rates differ between segments and stay put over time.
 * Every address lies under a domain that RFC 2606 reserves: none of them can ever belong to somebody.
 */
import type { SeededRandom } from "./seeded-random.js";

const POOL_SIZE = 14_000;

interface MailboxProvider {
  readonly name: string;
  readonly domain: string;
  readonly weight: number;
  /** Share of first attempts that are put off. */
  readonly deferralRate: number;
  /** Where spam reports come from; a provider without one tells no sender. */
  readonly feedbackSource?: string;
  readonly privacyProxyShare: number;
  readonly scannerShare: number;
}

const providers: readonly [MailboxProvider, ...MailboxProvider[]] = [
  {
    name: "Northmail",
    domain: "northmail.example",
    weight: 34,
    deferralRate: 0.02,
    feedbackSource: "northmail-feedback-loop",
    privacyProxyShare: 0.12,
    scannerShare: 0,
  },
  {
    name: "Orchard Mail",
    domain: "orchardmail.example",
    weight: 21,
    deferralRate: 0.015,
    privacyProxyShare: 0.8,
    scannerShare: 0,
  },
  {
    name: "Outpost",
    domain: "outpost.example",
    weight: 18,
    deferralRate: 0.045,
    feedbackSource: "outpost-junk-reports",
    privacyProxyShare: 0.08,
    scannerShare: 0.05,
  },
  {
    name: "Feldpost",
    domain: "feldpost.example",
    weight: 9,
    deferralRate: 0.06,
    feedbackSource: "feldpost-abuse-desk",
    privacyProxyShare: 0.1,
    scannerShare: 0,
  },
  {
    name: "Example Workspace",
    domain: "example.com",
    weight: 9,
    deferralRate: 0.03,
    feedbackSource: "example-workspace-arf",
    privacyProxyShare: 0.05,
    scannerShare: 0.32,
  },
  {
    name: "Self-hosted",
    domain: "example.org",
    weight: 6,
    deferralRate: 0.08,
    privacyProxyShare: 0.1,
    scannerShare: 0.12,
  },
  {
    name: "Example Broadband",
    domain: "example.net",
    weight: 3,
    deferralRate: 0.05,
    feedbackSource: "example-broadband-arf",
    privacyProxyShare: 0.1,
    scannerShare: 0,
  },
];

interface Country {
  readonly code: string;
  readonly weight: number;
  /** Standard time; daylight saving is left out, since an hour changes no picture here. */
  readonly utcOffsetHours: number;
  readonly currency: "EUR" | "USD";
}

const countries: readonly [Country, ...Country[]] = [
  { code: "IE", weight: 34, utcOffsetHours: 0, currency: "EUR" },
  { code: "US", weight: 33, utcOffsetHours: -5, currency: "USD" },
  { code: "DE", weight: 11, utcOffsetHours: 1, currency: "EUR" },
  { code: "FR", weight: 7, utcOffsetHours: 1, currency: "EUR" },
  { code: "NL", weight: 6, utcOffsetHours: 1, currency: "EUR" },
  { code: "CA", weight: 5, utcOffsetHours: -5, currency: "USD" },
  { code: "ES", weight: 4, utcOffsetHours: 1, currency: "EUR" },
];

export interface ReadingSetup {
  readonly device: "mobile" | "desktop" | "tablet";
  readonly client: string;
  readonly weight: number;
}

const setups: readonly [ReadingSetup, ...ReadingSetup[]] = [
  { device: "mobile", client: "Gmail", weight: 27 },
  { device: "mobile", client: "Apple Mail", weight: 21 },
  { device: "mobile", client: "Samsung Email", weight: 6 },
  { device: "mobile", client: "Outlook", weight: 7 },
  { device: "desktop", client: "Outlook", weight: 13 },
  { device: "desktop", client: "Gmail", weight: 12 },
  { device: "desktop", client: "Thunderbird", weight: 4 },
  { device: "desktop", client: "Apple Mail", weight: 5 },
  { device: "tablet", client: "Apple Mail", weight: 5 },
];

export interface Supporter {
  /** Position in the pool: stable for a seed. */
  readonly index: number;
  readonly address: string;
  readonly provider: MailboxProvider;
  readonly country: Country;
  readonly setup: ReadingSetup;
  readonly secondSetup: ReadingSetup;
  /** Chance of opening an ordinary mailing, 0 to 1. */
  readonly engagement: number;
  /** Readiness to give, 0 to 1. */
  readonly generosity: number;
  /** Where the person falls when a mailing goes to a share of the list, 0 to 1. */
  readonly slice: number;
  readonly joinedDaysAgo: number;
  /** Images are fetched ahead by a privacy proxy, so the person's own opens are mostly unseen. */
  readonly behindPrivacyProxy: boolean;
  /** A gateway opens messages and follows links before the person sees them. */
  readonly behindScanner: boolean;
  /** The source cannot say whether a person fetched the image. */
  readonly verdictUnknown: boolean;
}

const firstNames =
  "aoife sean niamh conor ciara liam orla declan maeve eoin grace james emily noah olivia ethan hannah daniel laura peter anna jonas lena felix marie lukas clara paul camille hugo louise sanne daan femke lucia pablo carmen irene mark susan karen robert linda david patricia thomas nora kevin ruth brian helen oscar ines martin julia simon eva george alice".split(
    " ",
  );
const lastNames =
  "murphy byrne kelly walsh ryan doyle nolan keane brennan quinn flynn burke smith johnson miller davis wilson moore clark lewis young walker hall allen wright scott green baker adams nelson carter schmidt weber fischer wagner becker hoffmann koch richter klein bernard dubois laurent moreau girard jansen bakker visser smit garcia lopez romero vega tremblay gagnon roy fraser campbell".split(
    " ",
  );

/** A dozen in a hundred open nearly all, a quarter now and then, the others hardly ever. */
function drawEngagement(random: SeededRandom): number {
  const group = random.next();
  if (group < 0.12) return random.between(0.72, 0.98);
  if (group < 0.38) return random.between(0.25, 0.68);
  return random.next() ** 2 * 0.14;
}

/** The whole pool. The list grows: about a third joined within the last 150 days. */
export function createSupporters(random: SeededRandom): Supporter[] {
  const taken = new Map<string, number>();
  return Array.from({ length: POOL_SIZE }, (_, index) => {
    const provider = random.weighted(providers);
    const first = firstNames[Math.floor(random.next() * firstNames.length)];
    const last = lastNames[Math.floor(random.next() * lastNames.length)];
    const name = random.chance(0.7) ? `${first}.${last}` : `${first?.charAt(0)}${last}`;
    const namesakes = taken.get(`${name}@${provider.domain}`) ?? 0;
    taken.set(`${name}@${provider.domain}`, namesakes + 1);
    const engagement = drawEngagement(random);
    const behindPrivacyProxy = random.chance(provider.privacyProxyShare);
    return {
      index,
      address: `${name}${namesakes === 0 ? "" : namesakes + 1}@${provider.domain}`,
      provider,
      country: random.weighted(countries),
      setup: random.weighted(setups),
      secondSetup: random.weighted(setups),
      engagement,
      generosity: 0.75 * random.next() + 0.25 * engagement,
      slice: random.next(),
      joinedDaysAgo: random.chance(0.36) ? random.between(0, 150) : random.between(150, 2_400),
      behindPrivacyProxy,
      behindScanner: !behindPrivacyProxy && random.chance(provider.scannerShare),
      verdictUnknown: random.chance(0.18),
    };
  });
}
