import type { Metadata, Viewport } from "next";
import type { ReactNode } from "react";

import "./styles.css";

export const metadata: Metadata = { title: { default: "trially", template: "%s · trially" } };
export const viewport: Viewport = { colorScheme: "light dark" };

// The Content-Security-Policy has a nonce, so no page is built in advance.
export const dynamic = "force-dynamic";

export default function RootLayout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  );
}
