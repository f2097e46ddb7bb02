/**
 * The little of React that this page and GraphiQL's own declarations use, typed here so that the product needs no further
 * package for one page. Were `@types/react` installed, this file would go.
 */
declare module "react" {
  export type ReactNode = JSX.Element | string | number | boolean | null | undefined | readonly ReactNode[];
  export type FC<Props = object> = (props: Props) => ReactNode;
  export type ComponentType<Props = object> = FC<Props>;
  export type ComponentPropsWithoutRef<Component> = Component extends (props: infer Props) => ReactNode ? Props : never;
  export type SVGProps<_Element> = Readonly<Record<string, string>>;

  export namespace JSX {
    type Element = { readonly type: unknown; readonly props: unknown };
    type ElementType = string | ((props: never) => ReactNode);
    interface ElementChildrenAttribute {
      children: unknown;
    }
    interface HtmlAttributes {
      readonly key?: string;
      readonly children?: ReactNode;
      readonly className?: string;
      readonly type?: "button";
      readonly onClick?: () => void;
    }
    interface SvgAttributes extends Readonly<Record<string, unknown>> {
      readonly children?: ReactNode;
    }
    interface IntrinsicElements {
      button: HtmlAttributes;
      em: HtmlAttributes;
      li: HtmlAttributes;
      p: HtmlAttributes;
      section: HtmlAttributes;
      span: HtmlAttributes;
      strong: HtmlAttributes;
      ul: HtmlAttributes;
      div: HtmlAttributes;
      path: SvgAttributes;
      svg: SvgAttributes;
    }
  }
}

declare module "react/jsx-runtime" {
  export { JSX } from "react";
}

declare module "react-dom/client" {
  import type { ReactNode } from "react";
  export function createRoot(container: Element): { render(node: ReactNode): void };
}
