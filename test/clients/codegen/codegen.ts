import type { CodegenConfig } from "@graphql-codegen/cli";
import { addTypenameSelectionDocumentTransform } from "@graphql-codegen/client-preset";

const config: CodegenConfig = {
  schema: "schema.graphql",
  documents: "operations/*.graphql",
  importExtension: ".js",
  generates: {
    "gql/": {
      preset: "client",
      // Caches tell objects by their types, and what is asked for by id holds what it held when it was registered.
      documentTransforms: [addTypenameSelectionDocumentTransform],
      presetConfig: { persistedDocuments: true, fragmentMasking: false },
      config: {
        strictScalars: true,
        enumsAsTypes: true,
        useTypeImports: true,
        scalars: {
          DateTime: "string",
          TimeZone: "string",
          BigInt: "number",
          Decimal: "string",
          JSONObject: "Record<string, unknown>",
        },
      },
    },
  },
};

// oxlint-disable-next-line import/no-default-export -- graphql-codegen reads nothing else
export default config;
