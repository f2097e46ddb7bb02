import type { Newsletter } from "./newsletters.js";

/** Found numbers may lie that far from published percentages, which have two decimals. */
const TOLERANCE_POINTS = 0.01;

interface FoundMetrics {
  readonly sent: { readonly total: number; readonly unique: number };
  readonly delivered: { readonly unique: number };
  readonly opened: { readonly unique: number };
  readonly clicked: { readonly unique: number };
  readonly clickRate: { readonly value: number; readonly denominator: number };
}

/** What the API says of one newsletter, beside what its publisher says. */
export interface NewsletterFigures {
  readonly newsletter: Newsletter;
  readonly sentTotal: number;
  readonly sent: number;
  readonly delivered: number;
  readonly opened: number;
  readonly clicked: number;
  readonly clickPct: number;
}

/** Asks GraphQL; throws where it answers with errors. */
export type Ask = (query: string, variables: Record<string, unknown>) => Promise<unknown>;

const QUERY = `query ($externalIds: [String!]!) {
  campaigns(first: 100, filter: { externalIds: $externalIds }) {
    nodes {
      externalId
      metrics(rates: PER_SENT) {
        sent { total unique } delivered { unique } opened { unique } clicked { unique }
        clickRate { value denominator }
      }
    }
  }
}`;

/** One entry for each newsletter, in their order. Throws where one has no campaign. */
export async function readFigures(ask: Ask, newsletters: readonly Newsletter[]): Promise<NewsletterFigures[]> {
  const externalIds = newsletters.map((newsletter) => newsletter.externalId);
  const { campaigns } = (await ask(QUERY, { externalIds })) as {
    campaigns: { nodes: readonly { externalId: string; metrics: FoundMetrics }[] };
  };
  const found = new Map(campaigns.nodes.map((node) => [node.externalId, node.metrics]));
  return newsletters.map((newsletter) => {
    const metrics = found.get(newsletter.externalId);
    if (metrics === undefined) throw new Error(`There is no campaign ${newsletter.externalId}`);
    const { sent, delivered, opened, clicked, clickRate } = metrics;
    return {
      newsletter,
      sentTotal: sent.total,
      sent: sent.unique,
      delivered: delivered.unique,
      opened: opened.unique,
      clicked: clicked.unique,
      clickPct: clickRate.value * 100,
    };
  });
}

/** What differs from the publisher's figures, in words; empty where nothing does. */
export function deviations({ newsletter, ...found }: NewsletterFigures): string[] {
  const faults = [
    fault("sent, total", found.sentTotal, newsletter.sent),
    fault("sent", found.sent, newsletter.sent),
    // Whoever engaged was reached, and only those that have a row did either.
    fault("delivered", found.delivered, newsletter.rows),
    fault("opened", found.opened, newsletter.opened),
    fault("clicked", found.clicked, newsletter.clicked),
    fault("click rate", found.clickPct, newsletter.clickPct, TOLERANCE_POINTS),
  ];
  return faults.filter((text) => text !== null).map((text) => `${newsletter.externalId}: ${text}`);
}

function fault(name: string, found: number, expected: number, tolerance = 0): string | null {
  return Math.abs(found - expected) <= tolerance ? null : `${name} is ${found}, published ${expected}`;
}
