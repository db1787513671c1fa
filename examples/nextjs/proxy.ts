/** Runs before each page: keeps the session fresh, and adds the Content-Security-Policy. */

import { type NextFetchEvent, type NextRequest, NextResponse } from "next/server";

import { auth } from "@/auth";
import { issuerUrl, publicUrl } from "@/lib/settings";

const isDevelopment = process.env.NODE_ENV === "development";

export async function proxy(request: NextRequest, event: NextFetchEvent): Promise<Response> {
  // Auth.js refreshes the tokens, and adds the new cookie to the answer.
  const withSession = await auth(answer);
  // The type is the one for routes; in a proxy, the second argument is the event.
  return (await withSession(request, event as never)) as Response;
}

function answer(request: NextRequest): Response {
  const home = publicUrl();
  const host = request.headers.get("host");
  if (home && host && host !== new URL(home).host) {
    // Cookies belong to one host name: sign-in would fail between localhost and 127.0.0.1.
    const url = new URL(home);
    url.pathname = request.nextUrl.pathname;
    url.search = request.nextUrl.search;
    return leadTo(url);
  }
  const nonce = crypto.randomUUID().replaceAll("-", "");
  const policy = contentPolicy(nonce);
  const headers = new Headers(request.headers);
  headers.set("Content-Security-Policy", policy);
  headers.set("X-Nonce", nonce);
  const response = NextResponse.next({ request: { headers } });
  response.headers.set("Content-Security-Policy", policy);
  response.headers.set("Referrer-Policy", "same-origin");
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Cache-Control", "private, no-store");
  return response;
}

/** Next.js makes a redirect relative if it takes the other host name for its own, so this is none. */
function leadTo(url: URL): Response {
  return new Response(null, { headers: { Refresh: `0; url=${url.href}`, "Cache-Control": "no-store" } });
}

/** Nothing is loaded from anywhere else. A form may lead to the issuer, where people sign in and out. */
function contentPolicy(nonce: string): string {
  return [
    "default-src 'none'",
    `script-src 'self' 'nonce-${nonce}' 'strict-dynamic'${isDevelopment ? " 'unsafe-eval'" : ""}`,
    `style-src 'self' ${isDevelopment ? "'unsafe-inline'" : `'nonce-${nonce}'`}`,
    "img-src 'self' data:",
    "font-src 'self'",
    `connect-src 'self'${isDevelopment ? " ws:" : ""}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
    `form-action 'self' ${new URL(issuerUrl()).origin}`,
  ].join("; ");
}

export const config = {
  // Uploads go past the proxy, because Next.js would keep 10 MB of them in memory and cut off the rest.
  matcher: ["/((?!api/|_next/|favicon|icon|[^/]+/imports/upload).*)"],
};
