/** What a dashboard asks by Relay: read by relay-compiler, and never run. */
import { graphql } from "relay-runtime";

export const query = graphql`
  query dashboardQuery($count: Int!, $cursor: String) {
    ...dashboard_campaigns @arguments(count: $count, cursor: $cursor)
  }
`;

export const campaigns = graphql`
  fragment dashboard_campaigns on Query
  @refetchable(queryName: "dashboardPageQuery")
  @argumentDefinitions(count: { type: "Int!" }, cursor: { type: "String" }) {
    campaigns(first: $count, after: $cursor, orderBy: { field: NAME, direction: ASC })
      @connection(key: "dashboard_campaigns") {
      edges {
        node {
          id
          name
          ...dashboard_campaign
        }
      }
    }
  }
`;

export const campaign = graphql`
  fragment dashboard_campaign on Campaign @refetchable(queryName: "dashboardCampaignQuery") {
    name
    metrics {
      sent {
        unique
      }
    }
  }
`;

export const rename = graphql`
  mutation dashboardRenameMutation($id: ID!, $name: String!) {
    updateCampaign(input: { id: $id, name: $name }) {
      campaign {
        id
        name
      }
    }
  }
`;
