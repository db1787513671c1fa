/** The colours of a tenant as a style sheet: the Content-Security-Policy allows no other styles. */

import { loadBranding, styleOf } from "@/lib/branding";

type Context = { params: Promise<{ tenant: string }> };

export async function GET(_: Request, { params }: Context): Promise<Response> {
  const branding = await loadBranding((await params).tenant);
  return new Response(branding ? styleOf(branding) : "", { headers: { "Content-Type": "text/css" } });
}
