/** What mercurius and yoga serve: the part of the schema that the dashboard asks for, over an answer that lies in memory. */
import { readFileSync } from "node:fs";

export const TYPE_DEFINITIONS = /* GraphQL */ `
  scalar DateTime
  scalar BigInt
  input DateTimeRange {
    from: DateTime!
    to: DateTime!
  }
  enum Granularity {
    DAY
  }
  type Query {
    campaigns(first: Int): CampaignConnection!
  }
  type CampaignConnection {
    nodes: [Campaign!]!
  }
  type Campaign {
    id: ID!
    name: String!
    sentAt: DateTime
    metrics: Metrics!
    series(range: DateTimeRange!, granularity: Granularity!): [MetricsPoint!]!
  }
  type MetricsPoint {
    start: DateTime!
    metrics: Metrics!
  }
  type Metrics {
    sent: Tally!
    delivered: Tally!
    opened: Tally!
    clicked: Tally!
    openRate: Rate!
    clickRate: Rate!
  }
  type Tally {
    total: BigInt!
    unique: BigInt!
  }
  type Rate {
    value: Float
  }
`;

interface Answer {
  readonly data: { readonly campaigns: object };
}

/** The one resolver there is; all other fields are properties. ANSWER is a file with the program's own answer. */
export function resolversOfAnswer() {
  const { data } = JSON.parse(readFileSync(process.env["ANSWER"] ?? "", "utf8")) as Answer;
  return { Query: { campaigns: () => data.campaigns } };
}
