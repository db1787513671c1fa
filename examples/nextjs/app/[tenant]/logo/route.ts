/** The logo of a tenant, from this app's own address: pages load pictures from nowhere else. */

import { fetchPublic, loadBranding } from "@/lib/branding";

type Context = { params: Promise<{ tenant: string }> };

export async function GET(_: Request, { params }: Context): Promise<Response> {
  const branding = await loadBranding((await params).tenant);
  const logo = branding?.logo_url ? await fetchPublic(branding.logo_url) : undefined;
  if (!logo?.ok) {
    return new Response(null, { status: 404 });
  }
  const headers = { "Content-Type": logo.headers.get("Content-Type") ?? "application/octet-stream" };
  return new Response(logo.body, { headers });
}
