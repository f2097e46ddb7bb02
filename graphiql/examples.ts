export type Example = { readonly title: string; readonly about: string; readonly query: string };

const MS_PER_DAY = 86_400_000;

/** Queries against the public schema that run as they stand, their dates counted back from `now`; the first is the page's first tab. */
export function makeExamples(now: Date): readonly [Example, ...Example[]] {
  // Whole UTC days, so that the range reads well and PREVIOUS_PERIOD compares like with like; today is the last of them.
  const endMs = (Math.floor(now.getTime() / MS_PER_DAY) + 1) * MS_PER_DAY;
  const to = new Date(endMs).toISOString();
  const from = new Date(endMs - 30 * MS_PER_DAY).toISOString();
  const yesterday = new Date(endMs - 2 * MS_PER_DAY).toISOString();
  const today = new Date(endMs - MS_PER_DAY).toISOString();

  return [
    {
      title: "Campaigns with their rates",
      about: "The latest campaigns, each with its counts and rates over everything recorded so far.",
      query: `# The latest campaigns and their rates.
# Run it: the button, or Ctrl-Enter.
# More: "Examples", the bulb on the left.
query CampaignOverview {
  campaigns(
    first: 20
    orderBy: { field: SENT_AT, direction: DESC }
  ) {
    totalCount
    nodes {
      id
      name
      sentAt
      metrics {
        sent { unique }
        delivered { unique }
        # A rate is a fraction: 0.25 is 25 %.
        deliveryRate { value }
        openRate { value numerator denominator }
        clickRate { value numerator denominator }
        bounceRate { value }
        unsubscribeRate { value }
        revenue { amount currency }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`,
    },
    {
      title: "30 days against the 30 before",
      about: "The account's KPIs day by day, the same for the period before, and how fresh the numbers are.",
      query: `# The last 30 days and the 30 before them.
# With \`basis: SEND\`: what became of the mail
# that was sent in the range.
query MonthlyKpis {
  kpis(
    range: {
      from: "${from}"
      to: "${to}"
    }
    basis: EVENT
    compareTo: PREVIOUS_PERIOD
  ) {
    metrics { ...Headline }
    comparison {
      from
      to
      metrics { ...Headline }
    }
    series(granularity: DAY) {
      start
      isPartial
      metrics {
        delivered { unique }
        opened { unique }
        clicked { unique }
        openRate { value }
      }
    }
    freshness { rolledUpThrough pendingEvents }
  }
}

fragment Headline on Metrics {
  sent { unique }
  delivered { unique }
  openRate { value }
  clickRate { value }
  bounceRate { value }
  conversionRate { value }
  revenue { amount currency }
}
`,
    },
    {
      title: "A dashboard's page",
      about: "The latest campaigns, each with its totals and its last 30 days.",
      query: `# Each campaign's totals, and its days.
# What it cost stands above, at the right.
query Dashboard {
  campaigns(
    first: 20
    orderBy: { field: SENT_AT, direction: DESC }
  ) {
    nodes {
      name
      sentAt
      metrics {
        sent { unique }
        openRate { value }
        clickRate { value }
      }
      series(
        range: {
          from: "${from}"
          to: "${to}"
        }
        granularity: DAY
      ) {
        start
        metrics {
          delivered { unique }
          opened { unique }
          clicked { unique }
        }
      }
    }
  }
}
`,
    },
    {
      title: "Yesterday and today by hour",
      about: "What happened in the account, hour by hour; machines' opens and clicks left out.",
      query: `# Two days in hours, without machines.
# Finer: granularity QUARTER_HOUR.
query HourByHour {
  kpis(
    range: {
      from: "${yesterday}"
      to: "${to}"
    }
    traffic: HUMAN
  ) {
    series(granularity: HOUR) {
      start
      isPartial
      metrics {
        sent { total }
        opened { total }
        clicked { total }
        unsubscribed { total }
      }
    }
  }
}
`,
    },
    {
      title: "How fresh today's numbers are",
      about: "Today's numbers, with how many accepted events are not in them yet.",
      query: `# With pendingEvents 0 everything that was
# accepted is in the numbers.
query Freshness {
  kpis(
    range: {
      from: "${today}"
      to: "${to}"
    }
  ) {
    metrics {
      sent { unique }
      opened { unique }
      clicked { unique }
    }
    freshness {
      rolledUpThrough
      pendingEvents
      cacheAgeSeconds
    }
  }
}
`,
    },
    {
      title: "Top links of a campaign",
      about: "The links of the campaign sent last, most unique clicks first, with and without machines.",
      query: `# Most clicked links of the campaign sent last.
# For another: \`campaign(externalId: "…")\`.
query TopLinks {
  campaigns(
    first: 1
    orderBy: { field: SENT_AT, direction: DESC }
  ) {
    nodes {
      id
      name
      links(first: 10) {
        nodes {
          url
          clicks { total unique }
          humanClicks { total unique }
        }
      }
    }
  }
}
`,
    },
    {
      title: "Latest events",
      about: "Single events, newest first, with what each type carries. Needs READ_EVENTS.",
      query: `# The newest opens, clicks and bounces.
# Needs a key with READ_EVENTS.
query LatestEvents {
  events(
    filter: {
      occurredAt: {
        from: "${from}"
        to: "${to}"
      }
      types: [OPENED, CLICKED, BOUNCED]
    }
    order: NEWEST_FIRST
    first: 20
  ) {
    nodes {
      id
      type
      occurredAt
      recipient
      campaign { name }
      ... on OpenedEvent { client device country traffic }
      ... on ClickedEvent { url traffic }
      ... on BouncedEvent { bounceClass statusCode diagnostic }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`,
    },
    {
      title: "Newest bounces",
      about: "Who could not be reached, and why. Needs READ_EVENTS.",
      query: `# The newest bounces, with what was said.
# Needs a key with READ_EVENTS.
query NewestBounces {
  events(
    filter: {
      occurredAt: {
        from: "${from}"
        to: "${to}"
      }
      types: [BOUNCED]
    }
    first: 20
  ) {
    nodes {
      occurredAt
      recipient
      campaign { name }
      ... on BouncedEvent { bounceClass statusCode diagnostic }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`,
    },
    {
      title: "What may be asked for",
      about: "Who you are here, and the limits of pages, ranges and cost.",
      query: `# Who asks, and what may be asked for.
query WhoAndHowMuch {
  viewer {
    tenant { name timeZone }
    scopes
    limits {
      pages { defaultSize maxSize }
      series { maxPoints finestGranularity }
      maxEventsPerCall
      cost { maxQueryCost maximum restoreRate }
    }
  }
}
`,
    },
    {
      title: "Record an event",
      about: "Sends one event. Needs WRITE_EVENTS, and writes into your account.",
      query: `# Writes one event into your account.
# Needs a key with WRITE_EVENTS.
# A new external id makes a campaign; run twice,
# the event counts once.
mutation RecordAnEvent {
  recordEvents(
    input: {
      events: [
        {
          eventId: "graphiql-example-${now.getTime()}"
          type: OPENED
          campaignExternalId: "graphiql-example"
          recipient: "someone@example.com"
          occurredAt: "${now.toISOString()}"
          client: "Apple Mail"
          device: "desktop"
          country: "DE"
          traffic: HUMAN
          metadata: { source: "graphiql" }
        }
      ]
    }
  ) {
    acceptedCount
    refused { index code field message }
    receipt { id status acceptedAt }
  }
}
`,
    },
  ];
}
