/** Sign-in with Auth.js at any OpenID Connect issuer. The tokens stay in an encrypted cookie on the server's side. */

import NextAuth from "next-auth";

import { clientId, clientSecret, issuerUrl, tenantClaim } from "@/lib/settings";
import { SessionEndedError, type Tokens, expiryOf, freshTokens } from "@/lib/tokens";

declare module "next-auth/jwt" {
  interface JWT {
    tokens?: Tokens;
    /** The tenants that the ID token names. */
    tenants?: string[];
  }
}

export const { handlers, auth, signIn, signOut } = NextAuth(() => ({
  providers: [
    {
      id: "trially",
      name: "trially",
      type: "oidc",
      issuer: issuerUrl(),
      clientId: clientId(),
      clientSecret: clientSecret(),
      // The app has no secret unless AUTH_TRIALLY_SECRET is set. PKCE protects the code.
      client: { token_endpoint_auth_method: clientSecret() ? "client_secret_basic" : "none" },
      checks: ["pkce", "state", "nonce"],
      authorization: { params: { scope: "openid profile email offline_access" } },
      profile: (claims) => ({ id: claims.sub, name: claims.name ?? claims.sub, email: claims.email }),
    },
  ],
  session: { strategy: "jwt" },
  pages: { signIn: "/", error: "/" },
  callbacks: {
    async jwt({ token, account, profile }) {
      if (account?.access_token) {
        const { access_token, refresh_token, id_token, expires_at } = account;
        token.tokens = { access_token, refresh_token, id_token, expires_at: expires_at ?? expiryOf(undefined) };
        token.tenants = tenantsOf(profile);
        return token;
      }
      try {
        token.tokens &&= await freshTokens(token.tokens);
      } catch (error) {
        if (error instanceof SessionEndedError) {
          return null;
        }
        // The issuer is away. The access token may still do.
      }
      return token;
    },
    // Scripts can read the session at /api/auth/session, so it has no tokens.
    session: ({ session }) => ({ expires: session.expires, user: { name: session.user?.name } }),
  },
}));

function tenantsOf(profile: unknown): string[] {
  const named = (profile as Record<string, unknown> | undefined)?.[tenantClaim()];
  return [named].flat().filter((name): name is string => typeof name === "string" && name !== "");
}
