/**
 * PostGraphile 5 over the same rollups, under the same row-level security. As its documentation advises for production:
 * NODE_ENV and GRAPHILE_ENV are production; no GraphiQL, no websockets, no explain; statements prepared (it does so by
 * itself); lists in place of connections where no cursor is asked for. It plans the dashboard as one SQL statement.
 *
 * The tables name no foreign keys, so that smart tags tell it of them; a condition is added for the range of days.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { addPgTableCondition, pgSmartTags } from "postgraphile/utils";

const days = { schemaName: "public", tableName: "campaign_days" };

function dayCondition(name: string, operator: ">=" | "<"): GraphileConfig.Plugin {
  return addPgTableCondition(
    days,
    name,
    ({ graphql }) => ({ type: new graphql.GraphQLNonNull(graphql.GraphQLString) }),
    (value, { sql, sqlTableAlias, build }) => {
      const bound = sql`${sql.value(value as string)}::date`;
      void build;
      return operator === ">=" ? sql`${sqlTableAlias}.day >= ${bound}` : sql`${sqlTableAlias}.day < ${bound}`;
    },
  );
}

const campaignOf = "(tenant_id, campaign_id) references public.campaigns (tenant_id, id)";

const preset: GraphileConfig.Preset = {
  extends: [PostGraphileAmberPreset],
  plugins: [
    pgSmartTags([
      {
        kind: "class",
        match: "public.campaign_days",
        tags: { foreignKey: `${campaignOf}|@foreignFieldName days|@foreignSimpleFieldName days` },
      },
      {
        kind: "class",
        match: "public.campaign_totals",
        tags: { foreignKey: `${campaignOf}|@foreignSingleFieldName totals` },
      },
    ]),
    dayCondition("fromDay", ">="),
    dayCondition("beforeDay", "<"),
  ],
  schema: { defaultBehavior: "-connection +list -insert -update -delete" },
  grafast: {
    explain: false,
    context: (request) => ({
      pgSettings: {
        role: "mailtally_api",
        "app.current_tenant": String(request.node?.req.headers["x-tenant-id"] ?? ""),
      },
    }),
  },
  grafserv: { graphiql: false, websockets: false, watch: false, graphqlPath: "/graphql" },
  pgServices: [
    makePgService({
      connectionString: process.env["METRICS_DATABASE_URL"] ?? "",
      schemas: ["public"],
      poolConfig: { max: Number(process.env["POOL_SIZE"]), idleTimeoutMillis: 0 },
    }),
  ],
};

const instance = postgraphile(preset);
const server = createServer();
await instance.createServ(grafserv).addTo(server);
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`listening on ${(server.address() as AddressInfo).port}\n`);
});
process.once("SIGTERM", () => process.exit(0));
