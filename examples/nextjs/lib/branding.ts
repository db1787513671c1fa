/** How a tenant wants to be shown. It is public, so it is asked for without a token. */

import "server-only";

import type { Schemas } from "@trially/client";
import { cache } from "react";

import { apiUrl } from "./settings";

export type Branding = Schemas["PublicBranding"];

const TIME_LIMIT_MS = 2_000;
const SECONDS_KEPT = 60;

/** Return the branding of a tenant, or of none. Without an answer the app looks as it is. */
export const loadBranding = cache(async (tenant: string): Promise<Branding | undefined> => {
  const answer = await fetchPublic(`/api/v1/branding?slug=${encodeURIComponent(tenant)}`);
  return answer?.ok ? ((await answer.json()) as Branding) : undefined;
});

/** Return the answer to a public address of the API, or undefined if there is none in time. */
export async function fetchPublic(path: string): Promise<Response | undefined> {
  try {
    const signal = AbortSignal.timeout(TIME_LIMIT_MS);
    return await fetch(new URL(path, apiUrl()), { signal, next: { revalidate: SECONDS_KEPT } });
  } catch {
    return undefined;
  }
}

/** Return the style sheet of a branding. Each of its colours is known to be `#rrggbb`. */
export function styleOf({ primary_color, on_primary_color, accent_color }: Branding): string {
  const colors = [primary_color, on_primary_color, accent_color];
  if (!colors.every((color) => /^#[0-9a-f]{6}$/.test(color))) {
    return "";
  }
  return `:root { --brand: ${primary_color}; --on-brand: ${on_primary_color}; }
@media (prefers-color-scheme: light) {
  :root {
    --accent: ${accent_color};
    --accent-strong: color-mix(in srgb, ${accent_color} 78%, black);
    --wash: color-mix(in srgb, ${accent_color} 8%, white);
  }
}
`;
}
