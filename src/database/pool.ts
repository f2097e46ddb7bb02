import {
  Pool as ConnectionPool,
  type PoolClient,
  Query,
  type QueryConfig,
  type QueryResult,
  type QueryResultRow,
} from "pg";
import type { Logger } from "../observability/logger.js";
import { driverErrorOf } from "./database-away.js";
import type { DatabaseName } from "./database-name.js";
import type { Statement } from "./statement.js";
import { valueParsers } from "./value-parsers.js";

export interface PoolOptions<D extends DatabaseName> {
  readonly database: D;
  readonly url: string;
  readonly maxConnections: number;
  /** How long a request may wait for a connection. */
  readonly waitTimeoutMs: number;
  /** How long a statement of the API's role may run in the database; without it as long as the database lets it. */
  readonly requestStatementTimeoutMs?: number;
  /**
   * How long to wait for the answer to a statement, once those ahead of it have theirs, before its connection counts as lost: longer than
   * any statement takes. Nobody else ends a connection whose other side is gone without a word.
   */
  readonly answerTimeoutMs?: number;
  /** Off behind a pooler that cannot keep prepared statements in transaction mode. */
  readonly preparedStatements: boolean;
  readonly log: Logger;
  /** Called for each statement that was run, with how long it took from when it was sent or those ahead of it were answered. */
  readonly onStatement?: (name: string, seconds: number, failed: boolean) => void;
}

/** Runs statements inside one transaction, in the order in which they are asked for. */
export interface Session<D extends DatabaseName> {
  run<Row>(statement: Statement<D, Row>): Promise<Row[]>;
}

/** What one transaction is: the statements sent in one string with BEGIN (role, tenant, limits). */
export type Preamble = string & { readonly __brand: "Preamble" };

/** The connections to one database. Whatever is asked of it happens inside a transaction that begins with a preamble. */
export class Pool<D extends DatabaseName> {
  readonly database: D;
  readonly #pool: ConnectionPool;
  readonly #options: PoolOptions<D>;

  constructor(options: PoolOptions<D>) {
    this.database = options.database;
    this.#options = options;
    this.#pool = new ConnectionPool({
      connectionString: options.url,
      max: options.maxConnections,
      // Kept for good: a dropped connection takes its prepared statements with it.
      idleTimeoutMillis: 0,
      connectionTimeoutMillis: options.waitTimeoutMs,
      keepAlive: true,
      // Statements are sent before those ahead of them are answered: a request of three goes there and back twice, not five times.
      pipeline: true,
      application_name: "mailtally",
      types: valueParsers,
    });
    // A connection that breaks is only worth a line: its statements fail by themselves, and the pool replaces it. The
    // second listener is for connections in use, on which pg-pool leaves none: without it a cut would end the process.
    this.#pool.on("error", (error) => {
      if (!this.#pool.ending) options.log.warn({ database: options.database, err: error }, "connection lost");
    });
    this.#pool.on("connect", (client) => client.on("error", () => undefined));
  }

  get requestStatementTimeoutMs(): number | undefined {
    return this.#options.requestStatementTimeoutMs;
  }

  get usage(): { total: number; idle: number; waiting: number } {
    return { total: this.#pool.totalCount, idle: this.#pool.idleCount, waiting: this.#pool.waitingCount };
  }

  /** Commits what `work` did, or rolls it back where `work` or the commit throws. */
  async transaction<T>(preamble: Preamble, work: (session: Session<D>) => Promise<T>): Promise<T> {
    const transaction = await this.begin(preamble);
    try {
      const result = await work(transaction);
      await transaction.commit();
      return result;
    } catch (error) {
      await transaction.rollback();
      throw error;
    }
  }

  /**
   * A transaction of one statement, which goes there and back once: the commit is sent along. Where the statement fails there is nothing to
   * be committed, whether PostgreSQL has heard of it or not.
   */
  async runAlone<Row>(preamble: Preamble, statement: Statement<D, Row>): Promise<Row[]> {
    const transaction = await this.begin(preamble);
    return transaction.runAndCommit(statement);
  }

  /** A transaction that the caller ends, exactly once, by commit() or rollback(). What fails of the preamble fails what is run in it. */
  async begin(preamble: Preamble): Promise<Transaction<D>> {
    const client = await this.#pool.connect().catch((error: unknown) => {
      throw driverErrorOf(error);
    });
    return new Transaction(client, preamble, this.#options);
  }

  async stop(): Promise<void> {
    await this.#pool.end();
  }
}

/** An SQLSTATE. */
const IN_FAILED_TRANSACTION = "25P02";

export class Transaction<D extends DatabaseName> implements Session<D> {
  readonly #client: PoolClient;
  readonly #options: PoolOptions<D>;
  readonly #begun: Promise<unknown>;
  #unanswered = 0;
  /** Runs while there are any: since the first of them was sent, or the one ahead of it was answered. */
  #silence: NodeJS.Timeout | undefined;
  /** When the last answer came: whatever was sent before that begins then. */
  #answeredAt = 0;
  /** The first error: PostgreSQL refuses whatever was sent after that, and says no more than that it does. */
  #failure: Error | undefined;
  /** A statement was given up: nothing sent after it would get an answer either. */
  #isSilent = false;
  /** A commit or a rollback was sent: what came behind it would be in no transaction, as nobody in particular. */
  #isEnding = false;
  /** The connection was given back: it is somebody else's. */
  #hasEnded = false;

  constructor(client: PoolClient, preamble: Preamble, options: PoolOptions<D>) {
    this.#client = client;
    this.#options = options;
    this.#begun = this.#send({ text: preamble });
    // Told by what is run in it.
    this.#begun.catch(() => undefined);
  }

  async run<Row>(statement: Statement<D, Row>): Promise<Row[]> {
    try {
      if (this.#isEnding) throw new Error("The transaction has ended");
      const values = statement.values as unknown[];
      const [, result] = await Promise.all([
        this.#begun,
        this.#send<Row & QueryResultRow>(
          this.#options.preparedStatements && statement.isPrepared !== false
            ? { name: statement.name, text: statement.text, values }
            : { text: statement.text, values },
          statement.name,
        ),
      ]);
      return result.rows;
    } catch (thrown) {
      const error = driverErrorOf(thrown);
      if (error instanceof Error && !("statement" in error)) Object.assign(error, { statement: statement.name });
      throw error;
    }
  }

  /**
   * The last statement, and the commit with it; ends the transaction also where it throws. Nothing may have been written before:
   * a statement that cannot be sent does not keep the commit from being sent.
   */
  async runAndCommit<Row>(statement: Statement<D, Row>): Promise<Row[]> {
    const [ran, committed] = await Promise.allSettled([this.run(statement), this.commit()]);
    if (ran.status === "fulfilled" && committed.status === "fulfilled") return ran.value;
    await this.rollback();
    throw ran.status === "rejected" ? ran.reason : (committed as PromiseRejectedResult).reason;
  }

  async commit(): Promise<void> {
    this.#isEnding = true;
    try {
      await Promise.all([this.#begun, this.#send({ text: "commit" })]);
    } catch (error) {
      throw driverErrorOf(error);
    }
    this.#giveBack();
  }

  /**
   * Never throws: a connection that cannot roll back is thrown away, and the server rolls back for it. Takes nothing back of what is
   * committed, so that whoever has something to do after a commit may fail there like anywhere else.
   */
  async rollback(): Promise<void> {
    if (this.#hasEnded) return;
    this.#isEnding = true;
    if (this.#isSilent) {
      this.#giveBack(true);
      return;
    }
    try {
      await this.#send({ text: "rollback" });
      this.#giveBack();
    } catch {
      this.#giveBack(true);
    }
  }

  /**
   * Ends what wrote nothing, without waiting for the answer: whoever gets the connection next sends behind it, under load in the
   * same piece.
   */
  leave(): void {
    if (this.#hasEnded) return;
    this.#isEnding = true;
    this.#send({ text: "rollback" }).catch(() => undefined);
    this.#giveBack();
  }

  #giveBack(isBroken = false): void {
    this.#hasEnded = true;
    this.#client.release(isBroken);
  }

  /**
   * Through a callback, and timed by us: what pg does for whoever wants a promise or a query_timeout puts a function among
   * V8's old objects for each statement, which keeps alive all that waits for it (docs/decisions/0051).
   */
  #send<Row extends QueryResultRow>(query: QueryConfig, statement?: string): Promise<QueryResult<Row>> {
    if (this.#hasEnded) return Promise.reject(new Error("The transaction has ended"));
    const { stream } = this.#client.connection;
    // What is sent in one go, such as BEGIN and the first statement, leaves in one piece.
    stream.cork();
    process.nextTick(() => stream.uncork());
    this.#awaitAnswer();
    const sentAt = performance.now();
    return new Promise((resolve, reject) => {
      let isAnswered = false;
      const onAnswer: OnAnswer = (error, result) => {
        // What pg cannot send it answers twice: at once, and when PostgreSQL is ready again.
        if (isAnswered) return;
        isAnswered = true;
        this.#noteAnswer();
        const startedAt = Math.max(sentAt, this.#answeredAt);
        this.#answeredAt = performance.now();
        // Null where all went well.
        const cause = error ? this.#causeOf(error, statement) : null;
        // What was refused for another one's failure did not run.
        if (statement !== undefined && cause === (error ?? null)) {
          this.#options.onStatement?.(statement, (this.#answeredAt - startedAt) / 1000, cause !== null);
        }
        if (cause === null) resolve(result as QueryResult<Row>);
        else reject(cause);
      };
      this.#client.query(queryOf(query, onAnswer));
    });
  }

  #awaitAnswer(): void {
    const { answerTimeoutMs } = this.#options;
    if (this.#unanswered++ > 0 || answerTimeoutMs === undefined) return;
    this.#silence = setTimeout(() => {
      this.#isSilent = true;
      this.#failure ??= new Error("The database has not answered in time");
      // Fails all that have no answer.
      this.#client.connection.stream.destroy();
    }, answerTimeoutMs);
  }

  #noteAnswer(): void {
    if (--this.#unanswered > 0) this.#silence?.refresh();
    else clearTimeout(this.#silence);
  }

  /**
   * Of statements that were sent together every one after the one at fault is refused. Who waits for all of them may hear of those
   * first, and has to know what is wrong: whether it is the data, or something that passes.
   */
  #causeOf(error: Error, statement: string | undefined): Error {
    const isConsequence = this.#isSilent || ("code" in error && error.code === IN_FAILED_TRANSACTION);
    if (this.#failure !== undefined && isConsequence) return this.#failure;
    if (statement !== undefined) Object.assign(error, { statement });
    return (this.#failure ??= error);
  }
}

type OnAnswer = (error: Error | null | undefined, result: unknown) => void;

/** From its text, as pg copies what it is given as an object, property by property. */
function queryOf({ text, values, name }: QueryConfig, onAnswer: OnAnswer): Query {
  const query = new Query(text, values, onAnswer);
  // Read when it is sent. What has a name is prepared under it.
  return Object.assign(query, { name });
}
