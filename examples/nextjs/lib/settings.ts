/** Settings from the environment. `make web` writes them to .env.local. */

import "server-only";

function required(...names: string[]): string {
  const value = names.map((name) => process.env[name]).find(Boolean);
  if (!value) {
    throw new Error(`Set ${names[0]} in .env.local. \`make status\` prints the settings.`);
  }
  return value;
}

/** Where the API is. */
export const apiUrl = () => required("TRIALLY_API_URL", "TRIALLY_URL");

/** The issuer's URL. Everything else about it comes from its discovery document. */
export const issuerUrl = () => required("AUTH_TRIALLY_ISSUER");

export const clientId = () => required("AUTH_TRIALLY_ID");

/** Only clients with a secret have one. */
export const clientSecret = () => process.env.AUTH_TRIALLY_SECRET || undefined;

/** The claim of the ID token that names the tenants of a person. */
export const tenantClaim = () => process.env.TRIALLY_TENANT_CLAIM || "https://trially.ai/tenant";

/** Where browsers reach this app; undefined if it is where they say. */
export function publicUrl(): string | undefined {
  const url = process.env.AUTH_URL || undefined;
  // Next.js reads these addresses as localhost, so the redirect URIs of Auth.js would differ.
  if (url && /^(127\.|\[::1\])/.test(new URL(url).hostname)) {
    throw new Error(`AUTH_URL is ${url}. Write localhost instead of the address.`);
  }
  return url;
}
