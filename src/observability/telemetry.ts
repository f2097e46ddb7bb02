/**
 * What is measured, for Prometheus; docs/metrics.md describes each. Labels come from closed lists and from names in the
 * program, never from what somebody sends: each new value is a series that is kept for good.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

/** What an operation was; `none` where the request held none that could be told. */
export type OperationKind = "query" | "mutation" | "none";
/** `partial`: data and errors. `refused`: the client's fault. `failed`: ours. */
export type RequestOutcome = "ok" | "partial" | "refused" | "failed";
/** Where an answer was found; `miss` where it had to be read. */
export type CacheLayer = "process" | "redis" | "miss";
/** What became of an accepted event. */
export type AppliedAs = "recorded" | "duplicate" | "dead";

/** Which high-water mark of the inbox refused a call: the tenant's own or everybody's, by number of events or by age. */
interface MarkReached {
  readonly scope: "tenant" | "all";
  readonly measure: "count" | "age";
}

/** Connections of a pool, and requests that wait for one. */
export interface PoolUsage {
  readonly total: number;
  readonly idle: number;
  readonly waiting: number;
}

/** Accepted events that no worker has recorded yet. */
interface Waiting {
  readonly events: number;
  /** Of the oldest of them; 0 where none waits. */
  readonly ageSeconds: number;
}

const SQL_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const REQUEST_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const LAG_BUCKETS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600];

export class Telemetry {
  readonly #registry = new Registry();
  readonly #pools = new Map<string, () => PoolUsage>();
  #readInbox: () => Promise<Waiting | null> = async () => null;

  readonly #httpRequests = this.#histogram(
    "mailtally_http_request_duration_seconds",
    "HTTP requests from their head to the end of the answer.",
    ["method", "route", "status"],
    REQUEST_BUCKETS,
  );
  readonly #operations = this.#histogram(
    "mailtally_graphql_operation_duration_seconds",
    "GraphQL operations.",
    ["kind", "outcome"],
    REQUEST_BUCKETS,
  );
  readonly #statements = this.#histogram(
    "mailtally_sql_statement_duration_seconds",
    "SQL statements by name, as the program waits for them.",
    ["statement", "outcome"],
    SQL_BUCKETS,
  );
  readonly #rollupLag = this.#histogram(
    "mailtally_rollup_lag_seconds",
    "From the acceptance of events to the rollups that count them, by batch.",
    [],
    LAG_BUCKETS,
  );
  readonly #cacheAnswers = this.#counter(
    "mailtally_cache_answers_total",
    "Cacheable answers by where they were found.",
    ["layer"],
  );
  readonly #wholeAnswers = this.#counter(
    "mailtally_whole_answers_total",
    "Calls that came before and may be answered as before, by where the answer was found.",
    ["layer"],
  );
  readonly #acceptedEvents = this.#counter("mailtally_events_accepted_total", "Events made durable in the inbox.", []);
  readonly #refusedEvents = this.#counter("mailtally_events_refused_total", "Events refused by the reason's code.", [
    "code",
  ]);
  readonly #refusedCalls = this.#counter(
    "mailtally_calls_refused_total",
    "Calls refused with OVERLOADED, by the mark that was reached.",
    ["scope", "measure"],
  );
  readonly #costPoints = this.#counter("mailtally_cost_points_total", "Points that requests cost in the end.", []);
  readonly #unpaidCalls = this.#counter(
    "mailtally_calls_unpaid_total",
    "Operations that did not run, by the code of the refusal.",
    ["code"],
  );
  readonly #appliedEvents = this.#counter("mailtally_events_applied_total", "Accepted events by what became of them.", [
    "outcome",
  ]);
  readonly #authenticationFailures = this.#counter(
    "mailtally_authentication_failures_total",
    "Requests whose key or token was not let in.",
    ["reason"],
  );
  readonly #inboxEvents = this.#gauge("mailtally_inbox_events", "Accepted events that wait for a worker.");
  readonly #inboxAge = this.#gauge("mailtally_inbox_age_seconds", "How long the oldest of them has waited.");

  constructor() {
    this.#observePools();
    collectDefaultMetrics({ register: this.#registry });
  }

  httpRequest(method: string, route: string, status: number, seconds: number): void {
    this.#httpRequests.observe({ method, route, status }, seconds);
  }

  request(kind: OperationKind, outcome: RequestOutcome, seconds: number): void {
    this.#operations.observe({ kind, outcome }, seconds);
  }

  /** Shapes of one composed statement, told apart by a third part of its name, are measured together. */
  statement(name: string, seconds: number, failed: boolean): void {
    const third = name.indexOf(".", name.indexOf(".") + 1);
    const statement = third === -1 ? name : name.slice(0, third);
    this.#statements.observe({ statement, outcome: failed ? "failed" : "ok" }, seconds);
  }

  wholeAnswer(layer: CacheLayer): void {
    this.#wholeAnswers.inc({ layer });
  }

  cache(layer: CacheLayer): void {
    this.#cacheAnswers.inc({ layer });
  }

  acceptedEvents(count: number): void {
    this.#acceptedEvents.inc(count);
  }

  refusedEvents(code: string, count: number): void {
    this.#refusedEvents.inc({ code }, count);
  }

  refusedCall({ scope, measure }: MarkReached): void {
    this.#refusedCalls.inc({ scope, measure });
  }

  cost(points: number): void {
    this.#costPoints.inc(points);
  }

  unpaidCall(code: "THROTTLED" | "QUERY_TOO_COSTLY"): void {
    this.#unpaidCalls.inc({ code });
  }

  appliedEvents(outcome: AppliedAs, count: number): void {
    this.#appliedEvents.inc({ outcome }, count);
  }

  rollupLag(seconds: number): void {
    this.#rollupLag.observe(seconds);
  }

  authenticationFailure(reason: string): void {
    this.#authenticationFailures.inc({ reason });
  }

  /** Reads a pool's use whenever the metrics are asked for. */
  watchPool(name: string, usage: () => PoolUsage): void {
    this.#pools.set(name, usage);
  }

  /** Reads what waits in the inbox whenever the metrics are asked for; null where it cannot be told. */
  watchInbox(read: () => Promise<Waiting | null>): void {
    this.#readInbox = read;
  }

  /** Prometheus's text format. */
  async render(): Promise<{ contentType: string; text: string }> {
    this.#tellInbox(await this.#readInbox());
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  /** No sample where nothing is known: 0 would say that nothing waits. */
  #tellInbox(waiting: Waiting | null): void {
    if (waiting === null) {
      this.#inboxEvents.remove();
      this.#inboxAge.remove();
    } else {
      this.#inboxEvents.set(waiting.events);
      this.#inboxAge.set(waiting.ageSeconds);
    }
  }

  #observePools(): void {
    const pools = this.#pools;
    const connections = new Gauge({
      name: "mailtally_database_connections",
      help: "Open connections by pool and state.",
      labelNames: ["pool", "state"],
      registers: [this.#registry],
      collect() {
        for (const [pool, usage] of pools) {
          const { total, idle } = usage();
          this.set({ pool, state: "busy" }, total - idle);
          this.set({ pool, state: "idle" }, idle);
        }
      },
    });
    connections.reset();
    const waiting = new Gauge({
      name: "mailtally_database_waiting_requests",
      help: "Requests that wait for a connection, by pool.",
      labelNames: ["pool"],
      registers: [this.#registry],
      collect() {
        for (const [pool, usage] of pools) this.set({ pool }, usage().waiting);
      },
    });
    waiting.reset();
  }

  #histogram<Label extends string>(name: string, help: string, labelNames: readonly Label[], buckets: number[]) {
    return new Histogram<Label>({ name, help, labelNames, buckets, registers: [this.#registry] });
  }

  #counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
    return new Counter<Label>({ name, help, labelNames, registers: [this.#registry] });
  }

  #gauge(name: string, help: string): Gauge {
    return new Gauge({ name, help, registers: [this.#registry] });
  }
}
